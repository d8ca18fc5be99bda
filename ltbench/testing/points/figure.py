"""What every figure does, asked with synthetic runs. Nothing here imports torch."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ltbench.errors import DataError, UsageError
from ltbench.report import FIGURE_SUFFIXES
from ltbench.report.figure_data import Choices, FigureData
from ltbench.report.figures import Drawing, as_bytes, draw_entry
from ltbench.report.look import PAGE_WIDTH, style
from ltbench.report.trials import Trials
from ltbench.results.frame import load_runs
from ltbench.testing.point import Points, Subject
from ltbench.testing.synthetic_runs import write_run, write_study

POINTS = Points()
KIND = "figure"
SMALL: dict[str, Any] = {"classes": 4, "per_class": 4}

Drawings = tuple[dict[str, Drawing], dict[str, str]]


@POINTS.add("draws", "It draws runs that suit it, and says of others what they lack", KIND)
def check_draws(subject: Subject) -> None:
    """Check several methods, one, a swept hyper-parameter, three data sets and no result."""
    drawn, refused = _drawings(subject)
    for what, reason in refused.items():
        assert reason, f"figure '{subject.entry.name}' refuses {what} without a word"
    assert drawn, f"figure '{subject.entry.name}' draws nothing: {next(iter(refused.values()))}"


@POINTS.add("numbers", "It comes with the numbers that it shows", KIND)
def check_numbers(subject: Subject) -> None:
    """Check that no frame is empty."""
    for what, (_, frame) in _drawings(subject)[0].items():
        assert len(frame), f"figure '{subject.entry.name}' of {what} has no numbers"


@POINTS.add("page", "A page is wide enough for it, and it can be written in every format", KIND)
def check_page(subject: Subject) -> None:
    """Check the width, and PNG, SVG and PDF."""
    for what, (figure, _) in _drawings(subject)[0].items():
        width = figure.get_figwidth()
        assert width <= PAGE_WIDTH, (
            f"figure '{subject.entry.name}' of {what} is {width:g} inches wide, and a page "
            f"{PAGE_WIDTH:g}"
        )
        with style():
            for suffix in FIGURE_SUFFIXES:
                as_bytes(figure, suffix[1:], 50)


@POINTS.add("pure", "It leaves the runs as they are and says the same twice", KIND)
def check_pure(subject: Subject) -> None:
    """Check the files of the runs, and a second drawing's numbers."""
    runs = example_runs(subject.folder / "again")
    before = _files(subject.folder / "again")
    drawn, _ = _draw_all(subject, runs)
    changed = _files(subject.folder / "again") ^ before
    assert not changed, f"figure '{subject.entry.name}' writes {min(changed)[0]}"
    first, _ = _drawings(subject)
    for what in first | drawn:
        same = what in first and what in drawn and drawn[what][1].equals(first[what][1])
        assert same, f"figure '{subject.entry.name}' of {what} is another one the second time"


def _drawings(subject: Subject) -> Drawings:
    return subject.once("drawings", lambda: _draw_all(subject, example_runs(subject.folder)))


def _draw_all(subject: Subject, runs: Mapping[str, Path]) -> Drawings:
    """Return what could be drawn of some folders of runs, and why the others could not."""
    drawn: dict[str, Drawing] = {}
    refused: dict[str, str] = {}
    for what, folder in runs.items():
        try:
            with style():
                data = FigureData(load_runs(folder), tuning=Trials((folder,)))
                drawn[what] = draw_entry(subject.entry, data, Choices())
        except (UsageError, DataError) as reason:
            refused[what] = str(reason)
    return drawn, refused


def example_runs(folder: Path) -> dict[str, Path]:
    """Write runs of the kinds that figures and tables are made of, and return their folders."""
    methods, seeds, datasets = ("erm", "boda", "brl"), (0, 1), ("one", "two", "three")
    one, several, swept, across, unfinished, tuned = (
        folder / name for name in ("one", "several", "swept", "across", "unfinished", "tuned")
    )
    write_run(one, **SMALL)
    for algo, seed in itertools.product(methods, seeds):
        write_run(several, algo=algo, seed=seed, **SMALL)
    for weight in (0.1, 0.5, 1.0):
        label = f"boda[weight={weight}]"
        write_run(swept, algo="boda", hparams={"weight": weight}, label=label, **SMALL)
    for algo, dataset in itertools.product(methods, datasets):
        write_run(across, algo=algo, dataset=dataset, **SMALL)
    write_run(unfinished, finished=False, **SMALL)
    write_run(tuned, **SMALL)
    for algo in methods:
        write_study(tuned, algo=algo, **SMALL)
    return {
        "one run": one,
        "three methods": several,
        "a swept hyper-parameter": swept,
        "three data sets": across,
        "a run without a result": unfinished,
        "three methods that were tuned": tuned,
    }


def _files(folder: Path) -> set[tuple[str, bytes]]:
    """Return the files below a folder and their contents, without the index that readers keep."""
    return {
        (str(path.relative_to(folder)), path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".index")
    }
