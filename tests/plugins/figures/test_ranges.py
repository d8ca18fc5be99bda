"""Panels of very different ranges show all that is in them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from synthetic_runs import write_run

from ltbench.report.figure_data import Choices, FigureData
from ltbench.report.figures import draw
from ltbench.report.look import style
from ltbench.results.frame import load_runs


@pytest.mark.parametrize("sizes", [(5, 40_000), (40_000, 5), (1, 3, 900, 2)])
def test_the_largest_class_of_every_domain_is_within_the_axis(sizes: tuple[int, ...]) -> None:
    counts = np.array([[most, max(1, most // 10), 0] for most in sizes])
    facts = {
        "domains": [f"d{i}" for i in range(len(sizes))],
        "classes": ["a", "b", "c"],
        "counts": {"train": counts, "val": counts, "test": counts},
        "shots": {"many": 100, "few": 20},
    }
    with style():
        figure, frame = draw("distribution", FigureData.of_dataset("made-up", facts), Choices())
    panels = [axis for axis in figure.axes if axis.get_visible()]
    assert len(panels) == len(sizes)
    for panel in panels:
        low, high = panel.get_ylim()
        for marks in panel.collections:
            assert isinstance(marks, PathCollection)
            heights = np.asarray(marks.get_offsets())[:, 1]
            assert ((low < heights) & (heights < high)).all()
    assert frame["train"].max() == max(sizes)


def drawn(kind: str, data: FigureData) -> Figure:
    with style():
        figure, _ = draw(kind, data, Choices())
        figure.canvas.draw()
    return figure


def in_pixels(axis, x: float, y: float) -> np.ndarray:  # type: ignore[no-untyped-def]
    return axis.transData.transform((x, y))


@pytest.mark.parametrize("most", [3, 40_000])
def test_marks_of_empty_classes_stand_clear_of_the_axis_and_the_legend_of_the_edges(
    most: int,
) -> None:
    counts = np.array([[most, 70, 30, 10, 0], [2, 0, 1, 0, 0], [100] * 5, [1] * 5])
    facts = {
        "domains": ["a", "b", "c", "d"], "classes": ["v", "w", "x", "y", "z"],
        "counts": {"train": counts, "val": counts, "test": counts},
        "shots": {"many": 60, "few": 20},
    }  # fmt: skip
    figure = drawn("distribution", FigureData.of_dataset("made-up", facts))
    half = 2 * figure.dpi / 72  # of a mark of 16 square points
    for panel in (axis for axis in figure.axes if axis.get_visible()):
        low, high = panel.get_window_extent().intervaly
        for marks in panel.collections:
            heights = [in_pixels(panel, *place)[1] for place in marks.get_offsets()]
            assert all(low + half <= height <= high - half for height in heights)
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert len(legend.get_texts()) == 4
    assert figure.bbox.x0 <= box.x0
    assert box.x1 <= figure.bbox.x1


def test_marks_of_every_hyper_parameter_are_whole(tmp_path: Path) -> None:
    base = {"alpha": 1.0, "beta": 0.2}
    skills = {"alpha": (0.02, 0.05), "beta": (0.9, 0.99)}
    settings = [(base, 0.85)]
    for name, (low, high) in skills.items():
        settings += [(base | {name: 0.01}, low), (base | {name: 100.0}, high)]
    for hparams, skill in settings:
        for seed in range(2):
            write_run(tmp_path, algo="brl", hparams=hparams, label=f"brl{hparams}", skill=skill,
                      seed=seed, arrays=False)  # fmt: skip
    figure = drawn("sensitivity", FigureData(load_runs(tmp_path)))
    for panel in (axis for axis in figure.axes if axis.get_visible()):
        low, high = panel.get_window_extent().intervaly
        for line in panel.lines:
            half = line.get_markersize() / 2 * figure.dpi / 72
            heights = [in_pixels(panel, x, y)[1] for x, y in line.get_xydata()]
            assert all(low + half <= height <= high - half for height in heights)


@pytest.mark.parametrize(("factor", "scale"), [(2.0, "linear"), (1e-4, "log")])
def test_losses_that_lie_far_apart_can_all_be_read(
    tmp_path: Path, factor: float, scale: str
) -> None:
    for algo in ("erm", "boda"):
        path = write_run(tmp_path, algo=algo, arrays=False) / "log.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            line["losses"]["total"] *= factor if algo == "boda" else 1
        path.write_text("\n".join(map(json.dumps, lines)))
    axis = drawn("convergence", FigureData(load_runs(tmp_path))).axes[0]
    assert axis.get_yscale() == scale
    assert ("log. scale" in axis.get_ylabel()) == (scale == "log")
    if scale == "log":
        ends = [np.ptp([in_pixels(axis, x, y)[1] for x, y in line.get_xydata()])
                for line in axis.lines]  # fmt: skip
        assert min(ends) > 0.05 * axis.get_window_extent().height
