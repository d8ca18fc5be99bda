"""``ltbench tables``: tables of a particular experiment."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, get_type_hints

import click

from ltbench import hookimpl
from ltbench.cli.output import (
    chosen_runs,
    emit,
    format_of,
    format_option,
    output_option,
    runs_argument,
    selection_options,
)
from ltbench.errors import PluginError, suggestion
from ltbench.plugins.hparams import HParams
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import format_value
from ltbench.plugins.registry import Entry
from ltbench.plugins.spelling import spelled
from ltbench.waiting import waiting


class Tables(click.Group):
    """A group of the registered tables; only the one that is asked for is imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the tables."""
        return sorted({*super().list_commands(ctx), *get_plugins()["tables"].names()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a table, or ``None`` where there is none."""
        registry = get_plugins()["tables"]
        if cmd_name in registry:
            return _command(registry.get(cmd_name))
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a table however its name is typed; one that does not exist gets a suggestion."""
        if args and not args[0].startswith("-") and not ctx.resilient_parsing:
            known = self.list_commands(ctx)
            args = [spelled(args[0], known), *args[1:]]
            if args[0] not in known:
                ctx.fail(f"there is no table '{args[0]}'{suggestion(args[0], known)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the summaries that the tables are registered with."""
        listed = [
            click.Command(e.name, help=e.summary and f"{e.summary.rstrip('.')}.")
            for e in get_plugins()["tables"]
        ]
        click.Group(commands=[*self.commands.values(), *listed]).format_commands(ctx, formatter)


@click.group(cls=Tables)
def tables() -> None:
    """Tables of particular experiments: ANOVA, unseen domains, ablations, models × losses.

    \b
    Examples:
      ltbench tables anova
      ltbench tables unseen --dataset pacs-mlt -o unseen.tex
      ltbench tables ablation --algo brl --dataset digits-mlt
      ltbench tables backbones --dataset cifar100-lt -o thesis.md
    """


def _command(entry: Entry) -> click.Command:
    """Return the command of one table: its own options, and those of all reports.

    Raises:
        PluginError: it cannot be imported, or has an option of the name of another.
    """
    table = entry.load()
    own = _options(table.HParams)

    def make(runs: tuple[Path, ...], **options: Any) -> None:
        typed = {o.name: options[o.name] for o in own if options[o.name] not in (None, ())}
        format_of(options["output"], options["format"])
        with waiting("Making the table"):
            chosen = chosen_runs(runs, options)
            from ltbench.report.experiment import make_table
            from ltbench.report.figure_data import FigureData

            report = make_table(entry, FigureData(chosen), typed)
        emit(report, options)

    shared = click.command()(runs_argument(selection_options(format_option(output_option(make)))))
    for twice in {o.name for o in own} & {o.name for o in shared.params}:
        raise PluginError(
            f"table '{entry.name}' of {entry.distribution} {entry.version} has an option "
            f"'{twice}', as all tables have"
        )
    shared.params[1:1] = own
    shared.name, shared.help = entry.name, inspect.cleandoc(table.__doc__ or entry.summary)
    return shared


def _options(hparams: type[HParams]) -> list[click.Option]:
    """Return an option for each hyper-parameter; which values may be, :class:`HParams` knows."""
    types, defaults, found = get_type_hints(hparams), hparams(), []
    for key, bounds in hparams.bounds().items():
        flag = f"--{key.replace('_', '-')}"
        default = getattr(defaults, key)
        several = isinstance(default, tuple)
        found.append(
            click.Option(
                [key, f"{flag}/--no-{flag[2:]}" if types[key] is bool else flag],
                type=float if several else types[key],
                default=None,
                multiple=several,
                help=bounds.help
                + (f"  [default: {format_value(default)}]" if default not in ("", ()) else ""),
            )
        )
    return found


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``tables`` to the command line."""
    cli.add_command(tables)
