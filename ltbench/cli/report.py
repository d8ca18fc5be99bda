"""``ltbench report``: one page with everything that was run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ltbench import hookimpl
from ltbench.cli.output import chosen_content, content_options, explain_option, folders
from ltbench.command_start import command_words
from ltbench.waiting import waiting


@click.command()
@content_options(1000, "Test sets that the bootstrap over images draws; 0 leaves it out.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("report.html"),
    show_default=True,
    help="File to write.",
)
@explain_option
@click.option("--title", default="Long-tailed image classification", help="Heading of the page.")
def report(runs: tuple[Path, ...], **options: Any) -> None:
    """Write one HTML page that works offline: leaderboards, figures, statistics, provenance.

    RUNS are folders of runs, by default ./runs.

    \b
    Examples:
      ltbench report
      ltbench report --dataset pacs-mlt --title 'PACS, ResNet-50' -o pacs.html
    """
    output = options["output"]
    command = _command(folders(runs), options)
    with waiting("Reading and comparing the runs"):
        content = chosen_content(runs, options, options["resamples"])
        # What it needs takes seconds to import, which nobody shall wait for who mistyped a folder.
        from ltbench.report.report_page import write_report
        from ltbench.session.progress import bar

    with bar("Drawing the figures") as done:
        write_report(content, output, title=options["title"], command=command,
                     explain=options["explain"], done=done)  # fmt: skip
    click.echo(f"Wrote {output}", err=True)


def _command(runs: Sequence[Path], options: dict[str, Any]) -> str:
    """Return the command line that asks for the same page."""
    words = [*command_words(), "report", *map(str, runs)]
    for name in ("metrics", "reference", "resamples", "title", "output"):
        words += [f"--{name}", str(options[name])] if options[name] is not None else []
    for name in ("algo", "dataset", "protocol"):
        for value in options[name]:
            words += [f"--{name}", value]
    return shlex.join([*words, "--explain"] if options["explain"] else words)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``report`` to the command line."""
    cli.add_command(report)
