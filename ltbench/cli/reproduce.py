"""``ltbench reproduce``: the tables and figures of two publications, one by one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ltbench import hookimpl
from ltbench.command_start import command_words
from ltbench.errors import UsageError

if TYPE_CHECKING:
    from ltbench.session.reproductions import Reproduction

_PASSED_ON = ("jobs", "device", "data_dir")
_OF_TRAINING = ("seeds", "precision", "device", "jobs")


def _complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from ltbench.session.reproductions import reproductions

    return [one.name for one in reproductions() if one.name.startswith(incomplete)]


@click.command()
@click.argument("name", required=False, shell_complete=_complete)
@click.option("--list", "listed", is_flag=True, help="List what there is, with numbers of runs.")
@click.option(
    "--mini", is_flag=True, help="On embedded data, with small networks and few steps: minutes."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("reproduced"),
    show_default=True,
    help="Folder of the runs and figures.",
)
@click.option("--seeds", metavar="N|LIST", help="As of `ltbench run`.  [default: as published]")
@click.option("--precision", metavar="NAME", help="As of `ltbench run`.  [default: auto]")
@click.option("--device", metavar="NAME", help="As of `ltbench run`.  [default: auto]")
@click.option("--jobs", type=click.IntRange(min=1), help="Runs at a time, as of `ltbench run`.")
@click.option(
    "--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder of the data sets."
)
@click.option("--dry-run", is_flag=True, help="Print the runs and the commands, and stop.")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
@click.pass_context
def reproduce(ctx: click.Context, /, **options: Any) -> None:
    """Reproduce a table or figure of the BRL paper or of the thesis on long-tailed losses.

    NAME is one that --list names. The runs that it is made of are trained, by a command that is
    printed, and those that are done are skipped; then it is shown, and what differs from what was
    published. Tables that are made of the same runs share them in one --out.

    \b
    Examples:
      ltbench reproduce --list
      ltbench reproduce brl-fig7 --mini
      ltbench reproduce brl-table3 --dry-run
      ltbench reproduce thesis-table-5.2 --seeds 1 --device cuda:0
    """
    from ltbench.session.reproductions import find_reproduction

    if options["listed"]:
        if options["name"]:
            raise UsageError("--list names all: leave out the name, or --list")
        _print_list()
        return
    if not options["name"]:
        raise UsageError("name a table or figure: `ltbench reproduce --list` has all")
    asked = find_reproduction(options["name"])
    useless = [f"--{name}" for name in _OF_TRAINING if options[name] is not None]
    if useless and not asked.run_words(options["out"], options["mini"]):
        raise UsageError(f"{', '.join(useless)}: nothing is trained for {asked.name}; leave it out")
    asked = asked.typed({key: options[key] for key in ("seeds", "precision") if options[key]})
    click.echo(f"{asked.name}: {asked.title} ({asked.source.cite})")
    if asked.nothing:
        click.echo(f"Nothing to reproduce: {asked.nothing}.")
        return
    lost = _carry_out(ctx, asked, options)
    click.echo("What differs from the publication:")
    from ltbench.report.terminal import bullets

    click.echo(bullets(asked.what_differs(options["mini"])))
    if lost:
        raise SystemExit(lost)


def _carry_out(ctx: click.Context, asked: Reproduction, options: dict[str, Any]) -> int:
    """Train and show, and return the exit code of the training."""
    lost, out, mini = 0, options["out"], options["mini"]
    if words := asked.run_words(out, mini):
        flags = ("dry_run", "quiet")
        more = [f"--{name.replace('_', '-')}" for name in flags if options[name]]
        words = [*words, *_typed(options, _PASSED_ON), "--no-leaderboard", *more]
        try:
            _call(ctx, words)
        except SystemExit as ending:  # some run failed; the others can be shown
            lost = int(ending.code or 0)
    for words in asked.end_words(out, mini):
        here = [*words, *(_typed(options, ("data_dir",)) if words[0] == "data" else ())]
        if options["dry_run"]:
            click.echo(f"then: {shlex.join([*command_words(), *here])}")
        else:
            _call(ctx, here)
    return lost


def _typed(options: dict[str, Any], names: Sequence[str]) -> list[str]:
    """Return those of some options that were typed, as they are typed to another command."""
    given = [(name, options[name]) for name in names if options[name] is not None]
    return [word for name, value in given for word in (f"--{name.replace('_', '-')}", str(value))]


def _call(ctx: click.Context, words: list[str]) -> None:
    """Print a command and carry it out."""
    click.echo(f"$ {shlex.join([*command_words(), *words])}")
    group = ctx.find_root().command
    assert isinstance(group, click.Group)
    name, command, rest = group.resolve_command(ctx.find_root(), words)
    assert command is not None, name
    with command.make_context(name, rest, parent=ctx.find_root()) as inner:
        command.invoke(inner)


def _print_list() -> None:
    from ltbench.report.terminal import table
    from ltbench.session.reproductions import reproductions

    rows = [(one.name, one.summary, *_runs(one)) for one in reproductions()]
    head = ("name", "what it shows", "runs", "--mini")
    click.echo(table(head, rows, align="llrr", priority=(0, 0, 0, 0)))


def _runs(one: Reproduction) -> tuple[str, str]:
    return ("", "") if one.nothing else (str(one.runs(False)), str(one.runs(True)))


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add the command."""
    cli.add_command(reproduce)
