"""``ltbench retry``: run again what failed or diverged, exactly as it was asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ltbench import hookimpl
from ltbench.cli.observers import observer_option
from ltbench.cli.output import runs_argument
from ltbench.cli.run_options import WHERE, with_options
from ltbench.errors import UsageError
from ltbench.report.plain import short_path

if TYPE_CHECKING:
    from ltbench.training.plan import Plan

AGAIN = ("failed", "diverged", "broken-off")


@click.command()
@runs_argument
@click.option(
    "--status",
    default="failed,diverged",
    show_default=True,
    metavar="LIST",
    help=f"Which runs: {', '.join(AGAIN)}.",
)
@click.option("--algo", multiple=True, help="Only these methods, comma-separated or repeated.")
@click.option("--dataset", multiple=True, help="Only these data sets, comma-separated or repeated.")
@click.option(
    "--weights",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The local checkpoint that the runs start from, where they were given one.",
)
@with_options(WHERE)
@observer_option
@click.option("--dry-run", is_flag=True, help="Print the runs and stop.")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object about the runs.")
def retry(runs: tuple[Path, ...], **options: Any) -> None:
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
    from ltbench.data.locations import data_folder
    from ltbench.sweeps.again import plan_again

    folders = _choose(runs or (Path("runs"),), options)
    if not folders:
        click.echo(json.dumps({"runs": []}) if options["as_json"] else "There is nothing to retry.")
        return
    data_dir = data_folder(options["data_dir"])
    plan = plan_again(folders, data_dir)
    _check_weights(plan, options["weights"])
    _carry_out(plan, _root(folders), data_dir, options)


# Where the runs lie is said by RUNS.
retry.params = [parameter for parameter in retry.params if parameter.name != "out"]


def _choose(runs: Sequence[Path], options: dict[str, Any]) -> list[Path]:
    from ltbench.results.choose import filter_runs, parse_statuses
    from ltbench.results.states import read_overview

    for folder in runs:
        if not folder.is_dir():
            raise UsageError(f"there is no folder '{folder}': name the folder that holds the runs")
    states = parse_statuses(options["status"], AGAIN)
    found = filter_runs(read_overview(runs).runs, states, options["algo"], options["dataset"])
    return [Path(run.path) for run in found]


def _root(folders: Sequence[Path]) -> Path:
    """Return the one folder that holds all the runs.

    Raises:
        UsageError: they lie in several.
    """
    from ltbench.sweeps.again import runs_root

    roots = sorted({runs_root(folder) for folder in folders})
    if len(roots) > 1:
        names = ", ".join(f"'{root}'" for root in roots)
        raise UsageError(f"the runs lie in {names}: name one of these folders at a time")
    return Path(short_path(roots[0]))


def _check_weights(plan: Plan, weights: Path | None) -> None:
    """Check that the checkpoint is the one that the runs started from, if they did from any.

    Raises:
        UsageError: it is missing, another, or not that of all the runs.
    """
    from ltbench.models.weights import file_sha256

    wanted = {spec.backbone.weights for spec in plan.specs}
    given = file_sha256(weights) if weights else None
    if wanted == {given}:
        return
    names = ", ".join(sorted({spec.label for spec in plan.specs if spec.backbone.weights != given}))
    if weights is None:
        raise UsageError(f"{names}: the run started from a local checkpoint; give it by --weights")
    raise UsageError(
        f"{names}: --weights {weights} is not what the run started from; choose others by --algo "
        "or --dataset"
    )


def _carry_out(plan: Plan, root: Path, data_dir: Path, options: dict[str, Any]) -> None:
    from ltbench.cli.launch import Launch
    from ltbench.cli.observers import choose_watchers
    from ltbench.cli.sweep import Sweep
    from ltbench.plugins.manager import get_plugins
    from ltbench.sweeps.estimate import read_estimator
    from ltbench.training.plan import Request

    quiet = options["quiet"] or options["as_json"]
    watchers = choose_watchers(get_plugins(), options["observers"], quiet=quiet)
    launch = Launch(options)
    slots = launch.slots(len(plan.specs))
    estimator = read_estimator(root, launch.device)
    sweep = Sweep(plan, root, quiet=quiet, watchers=watchers, estimator=estimator)
    if options["dry_run"]:
        sweep.describe(slots=len(slots.devices), as_json=options["as_json"])
        return
    request = Request((), (), (), "", data_dir, weights=options["weights"])
    sweep.prepare(request)
    jobs = launch.jobs(request, plan, slots, root, estimator.costs(plan.specs))
    failed = sweep.run(launch.executor(slots), jobs)
    sweep.conclude(as_json=options["as_json"], leaderboard=False)
    if failed:
        raise SystemExit(1)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``retry`` to the command line."""
    cli.add_command(retry)
