"""``ltbench status``: how the runs stand, how fast they get done, and why some failed."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ltbench import hookimpl
from ltbench.cli.option_values import FiniteRange
from ltbench.cli.output import runs_argument
from ltbench.waiting import waiting

if TYPE_CHECKING:
    from ltbench.results.states import Overview

WATCH_SECONDS = 5.0


class _Command(click.Command):
    """A command whose ``--watch`` may stand before a folder: only a number is its value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for place, word in enumerate(args):
            following = args[place + 1] if place + 1 < len(args) else ""
            if word == "--watch" and not _is_number(following):
                args = [*args[:place], f"--watch={WATCH_SECONDS}", *args[place + 1 :]]
        return super().parse_args(ctx, args)


@click.command(cls=_Command)
@runs_argument
@click.option(
    "--watch",
    type=FiniteRange(min=0.1),
    metavar="[SECONDS]",
    help=f"Look again every so many seconds ({WATCH_SECONDS:g} if none are given) until Ctrl-C.",
)
@click.option("--all", "everything", is_flag=True, help="Every line, however many there are.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object about all runs.")
def status(runs: tuple[Path, ...], watch: float | None, everything: bool, as_json: bool) -> None:
    """Say how runs stand: done, running, waiting, broken off, failed or diverged, and why.

    RUNS are folders of runs, by default ./runs. Runs that a command set out to do wait until they
    begin; a run is broken off when it began and its process is gone.

    \b
    Examples:
      ltbench status
      ltbench status --watch
      ltbench status runs/pacs-mlt --watch 30
      ltbench status runs --json | jq .counts
    """
    folders = runs or (Path("runs"),)
    if watch is None:
        with waiting("Reading the runs"):
            text = _look(folders, everything=everything, as_json=as_json)
        click.echo(text)
        return
    try:
        _watch(folders, watch, everything=everything, as_json=as_json)
    except KeyboardInterrupt:
        return


def _look(folders: tuple[Path, ...], *, everything: bool, as_json: bool) -> str:
    """Return what there is to say at this moment."""
    from ltbench.report.status_page import as_document, as_text

    overview = _overview(folders)
    now = time.time()
    if as_json:
        return json.dumps(as_document(overview, folders, now), allow_nan=False)
    return as_text(overview, folders, now, everything=everything)


def _watch(folders: tuple[Path, ...], seconds: float, *, everything: bool, as_json: bool) -> None:
    """Look again and again: in place in a terminal, one after the other when piped."""
    from rich.live import Live
    from rich.text import Text

    from ltbench.printable import printable
    from ltbench.session.progress import console_on

    def look() -> str:
        return _look(folders, everything=everything, as_json=as_json)

    console = console_on(sys.stdout)
    if as_json or not console.is_terminal:
        while True:
            click.echo(look())
            if not as_json:
                click.echo()
            time.sleep(seconds)
    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:
        while True:
            live.update(Text(printable(look()), no_wrap=True, overflow="ellipsis"), refresh=True)
            time.sleep(seconds)


def _overview(folders: tuple[Path, ...]) -> Overview:
    from ltbench.errors import UsageError
    from ltbench.results.states import read_overview

    for folder in folders:
        if not folder.is_dir():
            raise UsageError(
                f"there is no folder '{folder}': name the folder that holds the runs, or make some "
                "with `ltbench run --algo erm --dataset digits-mini-mlt --seeds 5`"
            )
    return read_overview(folders)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``status`` to the command line."""
    cli.add_command(status)
