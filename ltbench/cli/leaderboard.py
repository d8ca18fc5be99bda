"""``ltbench leaderboard``: tables of what was run, and which differences are real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ltbench import hookimpl
from ltbench.cli.output import SUFFIXES, format_choice, format_of, runs_argument, selection_options
from ltbench.errors import UsageError

_SUFFIXES = {**SUFFIXES, ".html": "html"}


@click.command()
@runs_argument
@click.option("--metrics", help="Columns, separated by commas; the first one sorts and ranks.")
@format_choice(_SUFFIXES)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="A file, or a folder (existing, or ending in /) that gets every format and the rows.",
)
@click.option("--reference", default="erm", show_default=True, help="What others are compared to.")
@click.option(
    "--resamples",
    type=click.IntRange(min=0),
    default=0,
    help="Also give intervals over so many test sets, drawn from the predictions (say 1000).",
)
@selection_options
def leaderboard(runs: tuple[Path, ...], **options: Any) -> None:
    """Compare what was run, one table for each data set and protocol.

    RUNS are folders of runs, by default ./runs.

    \b
    Examples:
      ltbench leaderboard
      ltbench leaderboard --dataset pacs-mlt --metrics accuracy_worst,macro_f1_worst
      ltbench leaderboard runs /mnt/others/runs --reference bsoftmax
      ltbench leaderboard --format markdown > results.md
      ltbench leaderboard -o leaderboards/pacs/
    """
    from ltbench.report.leaderboard import FORMATS, load_content, write_folder

    metrics, format_, output = options["metrics"], options["format"], options["output"]
    content = load_content(
        runs or (Path("runs"),),
        metrics=[name.strip() for name in metrics.split(",")] if metrics else None,
        reference=options["reference"],
        algos=options["algo"],
        datasets=options["dataset"],
        protocols=options["protocol"],
        resamples=options["resamples"],
    )
    if output is not None and _is_folder(output):
        if format_ is not None:
            raise UsageError(
                f"-o {output} is a folder, which gets every format: leave out --format, "
                "or name a file."
            )
        for path in write_folder(content, output):
            click.echo(f"Wrote {path}", err=True)
        return
    text = FORMATS[format_of(output, format_, _SUFFIXES)](content)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
        click.echo(f"Wrote {output}", err=True)


def _is_folder(output: Path) -> bool:
    return output.is_dir() or not output.suffix


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``leaderboard`` to the command line."""
    cli.add_command(leaderboard)
