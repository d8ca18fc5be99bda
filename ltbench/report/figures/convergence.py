"""Loss and validation score over training steps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ltbench.errors import DataError
from ltbench.report.figures.style import color, dash, legend_columns, new_figure, shortened
from ltbench.report.metrics import metric
from ltbench.report.selection import Table
from ltbench.results.documents import read_log
from ltbench.results.record import numbers

_MOST_SHADED = 6


def draw_convergence(table: Table, score: str = "macro_f1_average") -> tuple[Figure, pd.DataFrame]:
    """Draw the training loss and a validation score at every evaluation.

    Lines are means over seeds; with up to six methods a shade spans the seeds. The steps of a
    second stage follow those of the first; a dotted line marks where it starts.

    Args:
        table: the runs, finished or not.
        score: which validation metric.

    Returns:
        The figure, and a frame of ``label``, ``seed``, ``stage``, ``step``, ``loss``, ``score``.

    Raises:
        DataError: no run has a readable log.
    """
    rows: list[dict[str, object]] = []
    runs = table.runs.table
    for label, seed, path in runs[["label", "seed", "path"]].itertuples(index=False):
        for entry in steps(read_log(Path(path)), score):
            rows.append({"label": label, "seed": seed, **entry})
    frame = pd.DataFrame(rows, columns=["label", "seed", "stage", "step", "loss", "score"])
    if frame.empty:
        raise DataError(f"No run of {table.dataset} has a readable log.jsonl to draw.")
    labels = [name for name in table.labels() if (frame["label"] == name).any()]
    width = 8.5
    figure = new_figure(width, 3.3 + 0.18 * len(labels) / legend_columns(labels, width))
    left, right = figure.subplots(1, 2)
    handles = [
        _draw(axis, frame, label, i, column, shade=len(labels) <= _MOST_SHADED)
        for i, label in enumerate(labels)
        for axis, column in ((left, "loss"), (right, "score"))
    ][::2]
    for axis, name in ((left, "training loss"), (right, f"validation {metric(score).words}, %")):
        axis.set_xlabel("step")
        axis.set_ylabel(name, fontsize=8)
        for start in _stage_starts(frame):
            axis.axvline(start, color="#888888", ls=":", lw=1)
    figure.legend(
        handles,
        [shortened(label) for label in labels],
        loc="outside lower center",
        ncols=legend_columns(labels, width),
        fontsize=8,
    )
    shaded = ", shaded from least to greatest" if len(labels) <= _MOST_SHADED else ""
    figure.suptitle(f"{table.dataset}: mean over seeds{shaded}", fontsize=9)
    return figure, frame


def steps(log: Iterable[dict[str, Any]], score: str) -> list[dict[str, object]]:
    """Return stage, running step, loss and score of each line of a log that has them.

    Where a run went on from a checkpoint the same step may be logged twice; the later one counts.
    """
    entries: dict[tuple[str, int], dict[str, object]] = {}
    offset, last, stage = 0, 0, None
    for line in log:
        name, step = str(line.get("stage", "")), line.get("step")
        if not isinstance(step, int) or isinstance(step, bool):
            continue
        if stage is not None and name != stage:
            offset += last
        stage, last = name, step
        loss = numbers(line.get("losses")).get("total")
        value = numbers(line.get("val")).get(score)
        entries[(name, step)] = {"stage": name, "step": offset + step, "loss": loss, "score": value}
    return list(entries.values())


def _draw(
    axis: Axes, frame: pd.DataFrame, label: str, index: int, column: str, *, shade: bool
) -> Any:
    part = frame[frame["label"] == label].dropna(subset=[column])
    scale = 100 if column == "score" else 1
    by_step = part.assign(value=scale * part[column].astype(float)).groupby("step")["value"]
    line = axis.plot(
        by_step.mean().index, by_step.mean(), color=color(index), ls=dash(index), lw=1.4
    )[0]
    if part["seed"].nunique() > 1 and shade:
        low, high = by_step.min(), by_step.max()
        axis.fill_between(low.index, low, high, color=color(index), alpha=0.12, lw=0)
    return line


def _stage_starts(frame: pd.DataFrame) -> list[float]:
    """Return where second stages start, over all methods."""
    ends = frame.groupby(["label", "seed", "stage"], sort=False)["step"].max().reset_index()
    later = ends.groupby(["label", "seed"], sort=False)["step"].apply(lambda s: list(s)[:-1])
    return sorted({float(step) for found in later for step in found})
