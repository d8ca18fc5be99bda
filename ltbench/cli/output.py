"""What the reporting commands share: choosing runs, a format, and where to write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ltbench.errors import UsageError

if TYPE_CHECKING:
    from ltbench.report.sections import Section

Command = TypeVar("Command", bound=Callable[..., Any])

SUFFIXES = {
    ".txt": "terminal",
    ".md": "markdown",
    ".csv": "csv",
    ".json": "json",
    ".tex": "latex",
}

runs_argument = click.argument("runs", nargs=-1, type=click.Path(path_type=Path))


def format_choice(suffixes: Mapping[str, str]) -> Callable[[Command], Command]:
    """Return the option ``--format`` with these formats."""
    return click.option(
        "--format",
        type=click.Choice(list(suffixes.values())),
        help="Default: what the file is called, else terminal.",
    )


format_option = format_choice(SUFFIXES)

output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File to write instead of printing."
)


def selection_options(command: Command) -> Command:
    """Add ``--algo``, ``--dataset`` and ``--protocol``."""
    for name, words in (
        ("--protocol", "Only these protocols, by name or hash."),
        ("--dataset", "Only these data sets, comma-separated or repeated."),
        ("--algo", "Only these methods, comma-separated or repeated."),
    ):
        command = click.option(name, multiple=True, help=words)(command)
    return command


def format_of(
    output: Path | None, chosen: str | None, suffixes: Mapping[str, str] = SUFFIXES
) -> str:
    """Return the format: as chosen, else what the file is called, else ``terminal``.

    Raises:
        UsageError: the file's name says nothing.
    """
    if chosen or output is None:
        return chosen or "terminal"
    if output.suffix not in suffixes:
        raise UsageError(
            f"'{output}' does not say its format: end its name in {', '.join(suffixes)}, "
            "or use --format."
        )
    return suffixes[output.suffix]


def emit(sections: Sequence[Section], options: dict[str, Any]) -> None:
    """Print sections, or write them to the file of ``--output``."""
    from ltbench.report.sections import FORMATS, write

    format_ = format_of(options["output"], options["format"])
    if options["output"] is None:
        click.echo(FORMATS[format_](sections), nl=False)
    else:
        write(sections, format_, options["output"])
        click.echo(f"Wrote {options['output']}", err=True)
