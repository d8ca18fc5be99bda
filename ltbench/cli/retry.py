"""``ltbench retry``: run again what failed or diverged, exactly as it was asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ltbench import hookimpl
from ltbench.cli.options import (
    FOLDERS,
    GroupedCommand,
    check_names,
    data_dir_option,
    group,
    is_quiet,
    open_session,
    output_options,
    weights_option,
    where_options,
)
from ltbench.cli.output import run_datasets_option, run_methods_option, runs_argument
from ltbench.errors import UsageError
from ltbench.report.plain import short_path
from ltbench.waiting import waiting

AGAIN = ("failed", "diverged", "broken-off")


@click.command(cls=GroupedCommand)
@runs_argument
@group(
    "What",
    click.option(
        "--status",
        default="failed,diverged",
        show_default=True,
        metavar="LIST",
        help=f"Which runs: {', '.join(AGAIN)}.",
    ),
    run_methods_option,
    run_datasets_option,
    weights_option,
)
@where_options
@group(FOLDERS, data_dir_option)
@output_options("the runs", "one JSON object about the runs")
@click.pass_context
def retry(ctx: click.Context, /, runs: tuple[Path, ...], **options: Any) -> None:
    """Run again what failed or diverged, as it was asked for the first time.

    RUNS are folders of runs, or single runs, by default ./runs. What a run is comes from its
    spec.json; the options say only how it is carried out. A run that diverged starts from scratch,
    others go on from their last checkpoint.

    \b
    Examples:
      ltbench retry
      ltbench retry runs --status diverged --dry-run
      ltbench retry runs/pacs-mlt --algo boda,brl --device cuda:1
      ltbench retry runs --status broken-off
    """
    check_names(ctx)
    as_json = options["as_json"]
    with waiting("Reading the runs", show=not is_quiet(ctx)):
        folders = _choose(runs or (Path("runs"),), options)
    if not folders:
        click.echo(json.dumps({"runs": []}) if as_json else "There is nothing to retry.")
        _say_what_cannot_be_read(runs or (Path("runs"),))
        return
    with waiting("Loading PyTorch and planning the runs", show=not is_quiet(ctx)):
        from ltbench.cli.printing import print_outcome, print_plan
        from ltbench.data.locations import data_folder
        from ltbench.session.retry import plan_retry

        plan = plan_retry(folders, data_folder(options["data_dir"]), options["weights"])
        plan = replace(plan, out=Path(short_path(plan.out)))
    session = open_session(ctx, out=plan.out)
    if options["dry_run"]:
        print_plan(session, plan, as_json=as_json)
        return
    with waiting("Preparing images and networks", show=not session.quiet):
        session.prepare(plan)
    if print_outcome(plan, session.run(plan), as_json=as_json, leaderboard=False):
        raise SystemExit(1)


def _choose(runs: Sequence[Path], options: dict[str, Any]) -> list[Path]:
    from ltbench.results.choose import filter_runs, parse_statuses
    from ltbench.results.states import read_overview

    for folder in runs:
        if not folder.is_dir():
            raise UsageError(f"there is no folder '{folder}': name the folder that holds the runs")
    states = parse_statuses(options["status"], AGAIN)
    found = filter_runs(read_overview(runs).runs, states, options["algo"], options["dataset"])
    return [Path(run.path) for run in found]


def _say_what_cannot_be_read(runs: Sequence[Path]) -> None:
    """Say of a run that cannot be read, which is none of those that are retried, what to do."""
    from ltbench.report.plain import shown_path
    from ltbench.results.damage import advice
    from ltbench.results.states import read_overview

    broken = [run for run in read_overview(runs).runs if run.status == "unreadable"]
    for run in broken[:1]:
        more = f" (and {len(broken) - 1:,} more)" if len(broken) > 1 else ""
        folder = Path(short_path(run.path))
        click.echo(
            f"{shown_path(folder)} cannot be read{more}: {run.reason}; {advice(folder)}", err=True
        )


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``retry`` to the command line."""
    cli.add_command(retry)
