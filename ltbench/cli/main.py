"""The ``ltbench`` command: the group, its errors, and the commands that join it."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from ltbench import __version__
from ltbench.cli.ending import end_in_time
from ltbench.cli.output import no_plugin_code_option
from ltbench.cli.streams import (
    CLOSED_PIPE,
    drop_closed_output,
    prepare_streams,
)
from ltbench.errors import LtbenchError, Stopped, UsageError, described, suggestion
from ltbench.plugins.ctrl_c import telling_ctrl_c
from ltbench.printable import wants_color
from ltbench.waiting import waiting

NO_PLUGIN_CODE = "--no-plugin-code"
COMPLETION = "_LTBENCH_COMPLETE"
"""Set by a shell that asks what may be typed next, see :mod:`ltbench.cli.completion`."""
COMMANDS = (
    "run",
    "tune",
    "race",
    "leaderboard",
    "stats",
    "figures",
    "tables",
    "report",
    "site",
    "reproduce",
    "plugins",
    "data",
    "status",
    "retry",
    "show",
    "errors",
    "ensemble",
    "predict",
    "export",
    "soup",
    "submit",
    "verify",
    "clean",
    "doctor",
)


class _Group(click.Group):
    """A group whose unknown commands get a suggestion, and whose errors are one sentence."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        unknown = args and self.get_command(ctx, args[0]) is None
        if unknown and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = suggestion(args[0], self.list_commands(ctx))
            ctx.fail(f"there is no command '{args[0]}'{near}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with telling_ctrl_c() as is_users:
            return self._invoke(ctx, is_users)

    def _invoke(self, ctx: click.Context, is_users: Callable[[BaseException], bool]) -> Any:
        try:
            return super().invoke(ctx)
        except LtbenchError as error:
            if isinstance(error, Stopped):  # one Ctrl-C more shall not cost the sentence
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            if ctx.params.get("debug"):
                traceback.print_exc()
            click.echo(f"Error: {error}", err=True)
            sys.exit(error.exit_code)
        except (KeyboardInterrupt, SystemExit) as error:
            if not is_users(error) and (sentence := _ended_by_plugin(error)):
                click.echo(f"Error: {sentence}", err=True)
                sys.exit(1)
            if isinstance(error, SystemExit):
                raise
            click.echo("Stopped.", err=True)
            sys.exit(Stopped.exit_code)
        except Exception as error:
            if isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort):
                raise
            if isinstance(error, BrokenPipeError) and drop_closed_output():
                sys.exit(CLOSED_PIPE)
            if ctx.params.get("debug"):
                traceback.print_exc()
            from ltbench.plugins.blame import blamed
            from ltbench.plugins.manager import get_plugins

            what = f"{described(error)}{blamed(error, get_plugins())}"
            click.echo(f"Error: {what} (ltbench --debug shows where)", err=True)
            sys.exit(1)
        finally:
            _warn_of_plugins()


@click.group(
    cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "color": wants_color()}
)
@click.version_option(__version__, prog_name="ltbench")
@click.option("--debug", is_flag=True, envvar="LTBENCH_DEBUG", help="Show tracebacks of errors.")
@click.option(
    "-v",
    "--verbose",
    count=True,
    envvar="LTBENCH_VERBOSE",
    help="Say on stderr what is done (plugins, caches, downloads, claims); -vv says more.",
)
@click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Load a Python file as a plugin; repeatable. LTBENCH_PLUGIN_PATH does the same.",
)
@no_plugin_code_option
def cli(debug: bool, verbose: int, plugins: tuple[Path, ...]) -> None:
    """Compare training methods for long-tailed and multi-domain image classification.

    \b
    Examples:
      ltbench run --algo erm,boda --dataset digits-mini-mlt --seeds 5
      ltbench leaderboard
      ltbench plugins list
      ltbench --plugin my_idea.py run --algo erm,my-idea --dataset digits-mini-mlt
    """


def main() -> None:
    """Run the command line."""
    # Processes that are started look for no modules in the folder where the command is typed.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    prepare_streams()
    from ltbench.plugins.files import add_plugin_files
    from ltbench.plugins.manager import NO_CODE, get_plugins

    _check_words(sys.argv[1:])
    for command in COMMANDS:
        importlib.import_module(f"ltbench.cli.{command}").ltbench_commands(cli)
    # Plugins bring commands, so that --plugin must be read before the command line as a whole is;
    # what is wrong with it is said then.
    early = cli.make_context("ltbench", sys.argv[1:], resilient_parsing=True)
    if verbosity := early.params.get("verbose"):
        from ltbench.verbose import show_logs

        show_logs(verbosity)
    if NO_PLUGIN_CODE in sys.argv[1:]:  # wherever it stands: plugins load before commands are known
        os.environ[NO_CODE] = "1"
    if early.params.get("plugins") and os.environ.get(NO_CODE, "0") not in ("", "0"):
        _leave(
            UsageError(
                f"--plugin contradicts {NO_PLUGIN_CODE} (or {NO_CODE}): leave one of them out"
            )
        )
    try:
        add_plugin_files(early.params.get("plugins") or ())
        # A plugin may import torch, though it should not before it is used. Whoever reads a pipe
        # is told what the command itself does.
        looked_at = sys.stderr is not None and sys.stderr.isatty() and COMPLETION not in os.environ
        with waiting("Loading plugins", show=looked_at):
            plugins = get_plugins()
    except LtbenchError as error:
        _leave(error)
    plugins.call("ltbench_commands", cli=cli)
    _warn_of_plugins()
    try:
        cli(complete_var=COMPLETION)
    except SystemExit as leaving:
        end_in_time(leaving.code)
        raise


def _check_words(words: Sequence[str]) -> None:
    """Leave with one sentence where a word holds what nobody can see, whichever option takes it."""
    from ltbench.plugins.text import check_typed, visible

    try:
        for word in words:
            check_typed(word, f"'{visible(word)}'")
    except LtbenchError as error:
        _leave(error)


def _leave(error: LtbenchError) -> NoReturn:
    click.echo(f"Error: {error}", err=True)
    sys.exit(error.exit_code)


def _ended_by_plugin(error: BaseException) -> str:
    """Say which plugin wanted to end the command; nothing where it is ltbench's or the user's."""
    from ltbench.plugins.blame import blamed
    from ltbench.plugins.manager import get_plugins

    who = blamed(error, get_plugins(), called_by_core=True)
    return f"{described(error)}{who}" if who else ""


def _warn_of_plugins() -> None:
    """Say once what is wrong with plugins: before a command, and after it what came up in it."""
    if COMPLETION in os.environ:  # a shell asks, in the middle of a line that is being typed
        return
    from ltbench.plugins.manager import get_plugins

    for problem in get_plugins().new_problems():
        click.echo(f"Warning: {problem}", err=True)
