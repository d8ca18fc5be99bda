"""What every table of an experiment does, asked with synthetic runs. Nothing here imports torch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from ltbench.errors import DataError, UsageError
from ltbench.report.experiment import make_table
from ltbench.report.figure_data import FigureData
from ltbench.report.render import FORMATS
from ltbench.report.section import Report
from ltbench.results.frame import load_runs
from ltbench.testing.point import Points, Subject
from ltbench.testing.points.figure import SMALL, example_runs
from ltbench.testing.synthetic_runs import DOMAINS, write_run

POINTS = Points()
KIND = "table"


@POINTS.add("makes", "It is made of runs that suit it, and says of others what they lack", KIND)
def check_makes(subject: Subject) -> None:
    """Check several methods, one, switched components, data sets, unseen domains and no result."""
    made = dict(_made(subject))
    assert any(isinstance(result, Report) for result in made.values()), (
        f"table '{subject.entry.name}' is made of nothing: {made['one run']}"
    )
    for what, result in made.items():
        assert result, f"table '{subject.entry.name}' refuses {what} without a word"


@POINTS.add("formats", "It can be written in every format, the same twice", KIND)
def check_formats(subject: Subject) -> None:
    """Check all that was made, and that it is made anew as it was."""
    again = dict(_made(subject))
    for what, report in _made(subject):
        for name, write in FORMATS.items() if isinstance(report, Report) else ():
            assert write(report) == write(again[what]), (  # type: ignore[arg-type]
                f"table '{subject.entry.name}' of {what} is another one the second time, in {name}"
            )


def _made(subject: Subject) -> Iterator[tuple[str, Report | str]]:
    """Yield what the table makes of some folders of runs, or why it makes nothing of them."""
    for what, folder in subject.once("runs", lambda: _runs(subject)).items():
        try:
            yield what, make_table(subject.entry, FigureData(load_runs(folder)), {})
        except (UsageError, DataError) as reason:
            yield what, str(reason)


def _runs(subject: Subject) -> dict[str, Path]:
    """Write what figures are asked with, an ablation, and runs that never saw their test domain."""
    switched = subject.folder / "switched"
    for on, other in itertools.product((True, False), repeat=2):
        hparams = {"cb": on, "rb": other}
        write_run(switched, algo="brl", hparams=hparams, label=f"brl{hparams}", **SMALL)
    unseen = subject.folder / "unseen"
    for algo, domain, seed in itertools.product(("erm", "coral"), DOMAINS, range(2)):
        write_run(unseen, algo=algo, seed=seed, options={"unseen": domain}, **SMALL)
    return {
        **example_runs(subject.folder),
        "switched components": switched,
        "every domain unseen": unseen,
    }
