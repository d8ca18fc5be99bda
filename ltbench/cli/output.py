"""What the reporting commands share: choosing runs, a format, and where to write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ltbench.errors import UsageError
from ltbench.report import SUFFIXES

if TYPE_CHECKING:
    from ltbench.report.content import Content
    from ltbench.report.section import Report
    from ltbench.results.frame import Runs

Command = TypeVar("Command", bound=Callable[..., Any])

_runs_argument = click.argument("runs", nargs=-1, type=click.Path(path_type=Path))

format_option = click.option(
    "--format",
    type=click.Choice(list(SUFFIXES)),
    help="Default: what the file is called, else terminal.",
)

output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File to write instead of printing."
)

no_plugin_code_option = click.option(
    "--no-plugin-code",
    is_flag=True,
    expose_value=False,  # it counts before there are commands: see ltbench.cli.main
    help="Import no plugin but those of ltbench: for runs of people whom you do not trust.",
)


def runs_argument(command: Command) -> Command:
    """Add the folders of runs, and the option to read them without anybody else's code."""
    return _runs_argument(no_plugin_code_option(command))


def selection_options(command: Command) -> Command:
    """Add ``--algo``, ``--dataset`` and ``--protocol``."""
    for name, words in (
        ("--protocol", "Only these protocols, by name or hash."),
        ("--dataset", "Only these data sets, comma-separated or repeated."),
        ("--algo", "Only these methods, comma-separated or repeated."),
    ):
        command = click.option(name, multiple=True, help=words)(command)
    return command


def content_options(resamples: int, words: str) -> Callable[[Command], Command]:
    """Return the options of what shows leaderboards, with a default of ``--resamples``."""

    def add(command: Command) -> Command:
        for option in (
            click.option("--resamples", type=click.IntRange(0, 100_000), default=resamples,
                         show_default=True, help=words),
            click.option("--reference", default="erm", show_default=True,
                         help="What others are compared to."),
            click.option("--metrics", help="Columns, separated by commas; the first one sorts and "
                         "ranks."),
        ):  # fmt: skip
            command = option(command)
        return runs_argument(selection_options(command))

    return add


def folders(runs: Sequence[Path]) -> Sequence[Path]:
    """Return the folders of runs, by default ``runs``."""
    return runs or (Path("runs"),)


def names(text: str | None) -> list[str]:
    """Return what commas part."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def chosen_runs(runs: Sequence[Path], options: dict[str, Any]) -> Runs:
    """Read the runs that the options of :func:`selection_options` choose."""
    from ltbench.report.selection import select_runs
    from ltbench.results.frame import load_runs

    found = load_runs(folders(runs))
    return select_runs(found, options["algo"], options["dataset"], options["protocol"])


def chosen_content(runs: Sequence[Path], options: dict[str, Any], resamples: int = 0) -> Content:
    """Read the leaderboards of the runs that the options choose."""
    from ltbench.report.leaderboard import load_content

    return load_content(
        folders(runs),
        metrics=names(options["metrics"]) or None,
        reference=options["reference"],
        algos=options["algo"],
        datasets=options["dataset"],
        protocols=options["protocol"],
        resamples=resamples,
    )


def format_of(output: Path | None, chosen: str | None) -> str:
    """Return the format: as chosen, else what the file is called, else ``terminal``.

    Raises:
        UsageError: the file's name says nothing.
    """
    if chosen or output is None:
        return chosen or "terminal"
    formats = {suffix: format_ for format_, suffix in SUFFIXES.items()}
    if output.suffix not in formats:
        raise UsageError(
            f"'{output}' does not say its format: end its name in {', '.join(formats)}, "
            "or use --format."
        )
    return formats[output.suffix]


def emit(report: Report, options: dict[str, Any]) -> None:
    """Print a report, or write it to the file of ``--output``."""
    from ltbench.report.render import FORMATS, write

    output = options["output"]
    format_ = format_of(output, options["format"])
    if output is None:
        click.echo(FORMATS[format_](report), nl=False)
    else:
        write(report, format_, output)
        click.echo(f"Wrote {output}", err=True)
