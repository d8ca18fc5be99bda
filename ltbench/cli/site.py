"""``ltbench site``: boards, methods and data sets as static pages."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from ltbench import hookimpl
from ltbench.cli.output import no_plugin_code_option
from ltbench.command_start import command_words
from ltbench.waiting import waiting

TITLE = "Long-tailed image classification: boards"


@click.command()
@click.argument("boards", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("site"),
    show_default=True,
    help="Folder to write: a new one, or one that an earlier site is in.",
)
@click.option("--title", default=TITLE, show_default=True, help="Heading of the first page.")
@no_plugin_code_option
def site(boards: Path, output: Path, title: str) -> None:
    """Write boards as a site of static pages, which works offline and from a folder.

    BOARDS is a folder with files NAME.jsonl of rows, or folders of runs. There is a page for each
    board, with ranks, tests and costs; one to compare two of its methods; one for each method, and
    one for each data set. Open index.html in the folder that is written.

    \b
    Examples:
      ltbench site leaderboards/
      ltbench site leaderboards/ -o public --title 'Moths of 2026'
    """
    from ltbench.report.pages.folder import check_folder

    check_folder(output)
    with waiting("Reading and comparing the runs"):
        # What it needs takes seconds to import, which nobody shall wait for who mistyped a folder.
        from ltbench.report.pages.build import site_files
        from ltbench.report.pages.folder import write_site
        from ltbench.session.progress import bar

    with bar("Making the pages") as told:
        files = site_files(boards, title=title, command=_command(boards, output, title), told=told)
    write_site(files, output)
    click.echo(f"Wrote {len(files)} files: open {output / 'index.html'}", err=True)


def _command(boards: Path, output: Path, title: str) -> str:
    """Return the command line that makes the same site."""
    words = [*command_words(), "site", str(boards), "-o", str(output)]
    return shlex.join([*words, "--title", title] if title != TITLE else words)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``site`` to the command line."""
    cli.add_command(site)
