"""``ltbench stats``: the full analysis behind a leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ltbench import hookimpl
from ltbench.cli.output import emit, format_option, output_option, runs_argument, selection_options


@click.command()
@runs_argument
@click.option("--metrics", help="Metrics, separated by commas; the first one is the primary.")
@click.option("--reference", default="erm", show_default=True, help="What others are compared to.")
@selection_options
@click.option(
    "--resamples",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="Test sets that the bootstrap over images draws; 0 leaves it out.",
)
@click.option(
    "--power",
    type=click.FloatRange(min=0, min_open=True),
    metavar="POINTS",
    help="How many seeds would a difference of so many points of the first metric need?",
)
@format_option
@output_option
def stats(runs: tuple[Path, ...], **options: Any) -> None:
    """Analyse what was run: variance, pairs, effect sizes, test images, data sets, power.

    RUNS are folders of runs, by default ./runs.

    \b
    Examples:
      ltbench stats
      ltbench stats --dataset pacs-mlt --metrics macro_f1_worst,accuracy_worst
      ltbench stats --power 2 --resamples 0
      ltbench stats --format json -o analysis.json
    """
    from ltbench.report.analysis import analysis_sections
    from ltbench.report.leaderboard import load_content

    content = load_content(
        runs or (Path("runs"),),
        metrics=[n.strip() for n in options["metrics"].split(",")] if options["metrics"] else None,
        reference=options["reference"],
        algos=options["algo"],
        datasets=options["dataset"],
        protocols=options["protocol"],
    )
    power = options["power"]
    if power is not None and content.boards[0].primary.in_percent:
        power /= 100
    emit(analysis_sections(content, resamples=options["resamples"], power=power), options)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``stats`` to the command line."""
    cli.add_command(stats)
