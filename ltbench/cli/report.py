"""``ltbench report``: one page with everything that was run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from ltbench import hookimpl
from ltbench.cli.output import runs_argument, selection_options


@click.command()
@runs_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("report.html"),
    show_default=True,
    help="File to write.",
)
@click.option("--metrics", help="Columns, separated by commas; the first one sorts and ranks.")
@click.option("--reference", default="erm", show_default=True, help="What others are compared to.")
@click.option(
    "--resamples",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="Test sets that the bootstrap over images draws; 0 leaves it out.",
)
@click.option("--title", default="Long-tailed image classification", help="Heading of the page.")
@selection_options
def report(runs: tuple[Path, ...], **options: Any) -> None:
    """Write one HTML page that works offline: leaderboards, figures, statistics, provenance.

    RUNS are folders of runs, by default ./runs.

    \b
    Examples:
      ltbench report
      ltbench report --dataset pacs-mlt --title 'PACS, ResNet-50' -o pacs.html
    """
    from ltbench.report.leaderboard import load_content
    from ltbench.report.site import write_report

    folders = runs or (Path("runs"),)
    content = load_content(
        folders,
        metrics=[n.strip() for n in options["metrics"].split(",")] if options["metrics"] else None,
        reference=options["reference"],
        algos=options["algo"],
        datasets=options["dataset"],
        protocols=options["protocol"],
        resamples=options["resamples"],
    )
    output = options["output"]
    write_report(content, output, title=options["title"], command=_command(folders, options))
    click.echo(f"Wrote {output}", err=True)


def _command(folders: tuple[Path, ...], options: dict[str, Any]) -> str:
    """Return the command line that asks for the same page."""
    words = ["ltbench", "report", *map(str, folders)]
    for name in ("metrics", "reference", "resamples", "title", "output"):
        words += [f"--{name}", str(options[name])] if options[name] is not None else []
    for name in ("algo", "dataset", "protocol"):
        for value in options[name]:
            words += [f"--{name}", value]
    return shlex.join(words)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``report`` to the command line."""
    cli.add_command(report)
