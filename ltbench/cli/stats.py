"""``ltbench stats``: the full analysis behind a leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ltbench import hookimpl
from ltbench.cli.option_values import FiniteRange
from ltbench.cli.output import (
    chosen_content,
    content_options,
    emit,
    format_of,
    format_option,
    output_option,
)
from ltbench.waiting import waiting


class _Points(FiniteRange):
    """A difference of two scores."""

    what = "number of points"


@click.command()
@content_options(1000, "Test sets that the bootstrap over images draws; 0 leaves it out.")
@click.option(
    "--power",
    type=_Points(min=0, min_open=True),
    metavar="POINTS",
    help="How many seeds would a difference of so many points of the first metric need?",
)
@click.option(
    "--rope",
    type=_Points(min=0),
    metavar="POINTS",
    help="Across data sets, methods that differ by less are practically equal, in points (or the "
    "unit) of the first metric.  [default: 1 point of a percentage, else none]",
)
@format_option
@output_option
def stats(runs: tuple[Path, ...], **options: Any) -> None:
    """Analyse what was run: ANOVA, pairs, effect sizes, test images, data sets, power.

    RUNS are folders of runs, by default ./runs.

    \b
    Examples:
      ltbench stats
      ltbench stats --dataset pacs-mlt --metrics macro_f1_worst,accuracy_worst
      ltbench stats --power 2 --resamples 0
      ltbench stats --reference boda --rope 0.5
      ltbench stats --format json -o analysis.json
    """
    format_of(options["output"], options["format"])
    with waiting("Analysing the runs"):
        content = chosen_content(runs, options)
        from ltbench.report.analysis import analysis_report

        report = analysis_report(
            content,
            resamples=options["resamples"],
            power=options["power"],
            rope=options["rope"],
        )
    emit(report, options)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``stats`` to the command line."""
    cli.add_command(stats)
