"""The kinds of figures, and writing one with the numbers that it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from ltbench.errors import UsageError
from ltbench.report.content import build
from ltbench.report.figures.convergence import draw_convergence
from ltbench.report.figures.critical_difference import draw_critical_difference
from ltbench.report.figures.distribution import draw_distribution
from ltbench.report.figures.heatmap import draw_heatmap
from ltbench.report.figures.sensitivity import draw_sensitivity
from ltbench.report.figures.style import DPI, style
from ltbench.report.figures.transferability import draw_transferability
from ltbench.report.figures.tsne import draw_tsne
from ltbench.report.figures.violin import draw_violin
from ltbench.report.selection import only_table
from ltbench.results.frame import Runs

Drawing = tuple[Figure, pd.DataFrame]

SUFFIXES = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class Choices:
    """What the user may choose about a figure; each kind looks at some of it.

    Attributes:
        base: ``macro_f1`` or ``accuracy``.
        metric: the metric across data sets or over steps; ``None`` for the base's average.
        seed: which run, where a figure shows one of each method.
        parameter: which hyper-parameter; ``None`` for all that vary.
    """

    base: str = "macro_f1"
    metric: str | None = None
    seed: int | None = None
    parameter: str | None = None

    @property
    def score(self) -> str:
        """Return the metric, by default the base's average over domains."""
        return self.metric or f"{self.base}_average"


KINDS: dict[str, Callable[[Runs, Choices], Drawing]] = {
    "distribution": lambda runs, _: draw_distribution(only_table(runs, "the distribution")),
    "violin": lambda runs, c: draw_violin(only_table(runs, "a violin plot"), c.base),
    "heatmap": lambda runs, c: draw_heatmap(only_table(runs, "a heat map"), c.base),
    "tsne": lambda runs, c: draw_tsne(only_table(runs, "a map of features"), c.seed),
    "convergence": lambda runs, c: draw_convergence(only_table(runs, "convergence"), c.score),
    "sensitivity": lambda runs, c: draw_sensitivity(only_table(runs, "a curve"), c.parameter),
    "cd": lambda runs, c: draw_critical_difference(build(runs, metrics=[c.score]).summary),
    "transferability": lambda runs, c: draw_transferability(only_table(runs, "the map"), c.seed),
}


def write_figure(kind: str, runs: Runs, choices: Choices, output: Path) -> list[Path]:
    """Draw a figure into a file and its numbers into a CSV beside it.

    Args:
        kind: one of :data:`KINDS`.
        runs: the runs to be drawn.
        choices: see :class:`Choices`.
        output: a file that ends in one of :data:`SUFFIXES`.

    Returns:
        The two files.

    Raises:
        UsageError: the file's name says no known format, or the runs do not suit the figure.
        DataError: a file of a run is missing or does not fit.
    """
    if output.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"'{output}' does not say a format: end its name in {', '.join(SUFFIXES)}."
        )
    with style():
        figure, frame = KINDS[kind](runs, choices)
        output.parent.mkdir(parents=True, exist_ok=True)
        # Without a date the same runs give the same file.
        dated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
        figure.savefig(output, dpi=DPI, metadata=dated.get(output.suffix.lower()))
    numbers = output.with_suffix(".csv")
    frame.to_csv(numbers, index=False, lineterminator="\n")
    return [output, numbers]
