"""The ``ltbench`` command: the group, its errors, and the commands that join it."""

from __future__ import annotations

import importlib
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ltbench import __version__
from ltbench.cli.ending import end_in_time
from ltbench.cli.streams import (
    CLOSED_PIPE,
    drop_closed_output,
    replace_unknown_letters,
    wants_color,
)
from ltbench.errors import LtbenchError, Stopped, described, suggestion
from ltbench.plugins.ctrl_c import telling_ctrl_c

COMMANDS = (
    "run",
    "tune",
    "leaderboard",
    "stats",
    "figures",
    "tables",
    "report",
    "plugins",
    "data",
    "status",
    "retry",
    "show",
    "clean",
)


class _Group(click.Group):
    """A group whose unknown commands get a suggestion, and whose errors are one sentence."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
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
    replace_unknown_letters()
    from ltbench.plugins.files import add_plugin_files
    from ltbench.plugins.manager import get_plugins

    for command in COMMANDS:
        importlib.import_module(f"ltbench.cli.{command}").ltbench_commands(cli)
    # Plugins bring commands, so that --plugin must be read before the command line as a whole is;
    # what is wrong with it is said then.
    early = cli.make_context("ltbench", sys.argv[1:], resilient_parsing=True)
    if verbosity := early.params.get("verbose"):
        from ltbench.verbose import show_logs

        show_logs(verbosity)
    add_plugin_files(early.params.get("plugins") or ())
    try:
        plugins = get_plugins()
    except LtbenchError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    plugins.call("ltbench_commands", cli=cli)
    _warn_of_plugins()
    try:
        cli()
    except SystemExit as leaving:
        end_in_time(leaving.code)
        raise


def _ended_by_plugin(error: BaseException) -> str:
    """Say which plugin wanted to end the command; nothing where it is ltbench's or the user's."""
    from ltbench.plugins.blame import blamed
    from ltbench.plugins.manager import get_plugins

    who = blamed(error, get_plugins(), called_by_core=True)
    return f"{described(error)}{who}" if who else ""


def _warn_of_plugins() -> None:
    """Say once what is wrong with plugins: before a command, and after it what came up in it."""
    from ltbench.plugins.manager import get_plugins

    for problem in get_plugins().new_problems():
        click.echo(f"Warning: {problem}", err=True)
