"""``ltbench clean``: remove what failed, was broken off or was left behind, after asking."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ltbench import hookimpl
from ltbench.cli.output import run_datasets_option, run_methods_option, runs_argument
from ltbench.errors import LtbenchError, UsageError
from ltbench.report.plain import shown_path
from ltbench.waiting import waiting

if TYPE_CHECKING:
    from ltbench.results.cleaning import Litter

UNDONE = ("failed", "diverged", "broken-off", "unreadable")
_MOST_LINES = 10


@click.command()
@runs_argument
@click.option(
    "--status",
    default=",".join(UNDONE),
    show_default=True,
    metavar="LIST",
    help="Which runs are removed.",
)
@click.option("--done", is_flag=True, help="Remove runs that are done, too.")
@click.option(
    "--checkpoints", is_flag=True, help="Remove checkpoints of done runs, and shared first stages."
)
@click.option(
    "--logits", is_flag=True, help="Remove the logits of done runs and of trials of tuning."
)
@click.option("--tuning", is_flag=True, help="Remove what tuning made: its runs and studies.")
@click.option("--plans", is_flag=True, help="Forget runs that wait with no command at work.")
@run_methods_option
@run_datasets_option
@click.option("--dry-run", is_flag=True, help="Print everything that would be removed and stop.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; with --yes.")
def clean(runs: tuple[Path, ...], **options: Any) -> None:
    """Remove runs that failed, diverged or were broken off, and what processes left behind.

    RUNS are folders of runs, by default ./runs. What would be removed is listed first. Runs whose
    files are damaged are removed too, and listed with the reason. Runs that are done stay unless
    --done is given; a run that somebody trains always stays.

    \b
    Examples:
      ltbench clean --dry-run
      ltbench clean runs --status failed --yes
      ltbench clean --checkpoints
      ltbench clean --logits --dataset pacs-mlt
      ltbench clean --done --algo 'brl[alpha=10]'
    """
    if options["as_json"] and not (options["yes"] or options["dry_run"]):
        raise UsageError("--json cannot ask: add --yes, or --dry-run")
    for option in ("tuning", "plans"):
        if options[option] and (options["algo"] or options["dataset"]):
            raise UsageError(
                f"--{option} is about all methods and data sets: leave out --algo and --dataset, "
                f"or --{option}"
            )
    roots = _folders(runs)
    with waiting("Reading the runs"):
        found = [litter for root in roots for litter in _find(root, options)]
    if not options["as_json"]:
        click.echo(_listing(found, everything=options["dry_run"]))
    if not found or options["dry_run"]:
        _report(found, [], options)
        return
    if not options["yes"] and not click.confirm("Remove it?"):
        click.echo("Nothing was removed.")
        return
    kept = _remove(found)
    _report(found, kept, options)
    if kept:
        raise LtbenchError(f"{len(kept)} of {len(found)} could not be removed")


def _folders(runs: tuple[Path, ...]) -> list[Path]:
    folders = list(runs or (Path("runs"),))
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"there is no folder '{folder}': name the folder that holds the runs")
    return folders


def _find(root: Path, options: dict[str, Any]) -> list[Litter]:
    from ltbench.results import cleaning
    from ltbench.results.choose import filter_runs, parse_statuses
    from ltbench.results.states import STATUSES, read_states
    from ltbench.results.sweeps import TUNING

    overview = read_states(root)
    tuning = root / TUNING
    has_tuning = options["tuning"] and tuning.is_dir()
    has_trials = options["logits"] and tuning.is_dir() and not has_tuning
    if not (overview.runs or overview.sweeps or has_tuning or has_trials):
        raise UsageError(f"'{root}' holds no runs, so nothing in it is touched")
    states = [*parse_statuses(options["status"], UNDONE), *(["done"] if options["done"] else [])]
    which = options["algo"], options["dataset"]
    chosen = list(cleaning.find_runs(filter_runs(overview.runs, states, *which)))
    removed = {str(litter.path) for litter in chosen}
    meant = filter_runs(overview.runs, STATUSES, *which)
    stay = [run for run in meant if run.path not in removed]
    # Whose they are is not written on them, so a list of methods leaves them alone.
    datasets = {run.dataset for run in meant} if not options["algo"] else set()
    kept = options["checkpoints"]
    first_stages = cleaning.find_first_stages(root, datasets, checkpoints=kept)
    found = [
        *chosen,
        *cleaning.find_leftovers(stay, checkpoints=options["checkpoints"]),
        *(cleaning.find_logits(stay) if options["logits"] else ()),
        *first_stages,
        *cleaning.find_records(overview, removed, forget=options["plans"]),
        *cleaning.find_drafts(root),
        *cleaning.find_old_index(root),
    ]
    if has_trials:
        with contextlib.suppress(UsageError):  # names that are of other runs alone
            trials = filter_runs(read_states(tuning).runs, STATUSES, *which)
            found += cleaning.find_logits(trials)
    if has_tuning:
        found += cleaning.find_tuning(root, read_states(tuning).runs)
    return found


def _listing(found: Sequence[Litter], *, everything: bool) -> str:
    """Return what is to be removed: how many of each kind, and which."""
    if not found:
        return "There is nothing to remove."
    groups: dict[str, list[Litter]] = defaultdict(list)
    for litter in found:
        what = f"{litter.detail} {litter.kind}" if litter.kind == "run" else litter.kind
        groups[what].append(litter)
    lines = []
    for what, same in groups.items():
        plural = what if len(same) == 1 else f"{what}s"
        lines.append(f"{len(same):,} {plural.replace('-', ' ')}, {_megabytes(same)}")
        shown = same if everything else same[:_MOST_LINES]
        lines += [_line(litter) for litter in shown]
        if len(shown) < len(same):
            lines.append(f"  and {len(same) - len(shown):,} more (--dry-run lists them)")
    return "\n".join([*lines, f"In all {_megabytes(found)}."])


def _line(litter: Litter) -> str:
    why = f"  {litter.detail}" if litter.kind == "unreadable run" else ""
    return f"  {shown_path(litter.path)}  {_megabytes([litter])}{why}"


def _megabytes(found: Sequence[Litter]) -> str:
    return f"{sum(litter.size for litter in found) / 1e6:,.1f} MB"


def _remove(found: Sequence[Litter]) -> list[tuple[Litter, str]]:
    """Remove everything that can be and return what stayed, with the reason."""
    from ltbench.results.cleaning import StillHeld, prune

    kept = []
    for litter in found:
        try:
            litter.remove()
        except StillHeld as problem:
            kept.append((litter, f"in use: {problem}"))
        except OSError as problem:
            kept.append((litter, problem.strerror or str(problem)))
    prune(litter.path for litter in found if litter.kind.endswith("run"))
    return kept


def _report(
    found: Sequence[Litter], kept: Sequence[tuple[Litter, str]], options: dict[str, Any]
) -> None:
    """Say what was removed and what was not."""
    if options["as_json"]:
        reasons = {litter.path: reason for litter, reason in kept}
        rows = [
            {
                "kind": litter.kind,
                "path": str(litter.path),
                "detail": litter.detail,
                "bytes": litter.size,
                "removed": not options["dry_run"] and litter.path not in reasons,
                "reason": reasons.get(litter.path),
            }
            for litter in found
        ]
        click.echo(json.dumps({"found": rows}))
        return
    for litter, reason in kept:
        click.echo(f"Not removed: {shown_path(litter.path)}: {reason}", err=True)
    if found and not options["dry_run"]:
        stays = {id(litter) for litter, _ in kept}
        gone = [litter for litter in found if id(litter) not in stays]
        click.echo(f"Removed {len(gone):,}, {_megabytes(gone)}.")


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``clean`` to the command line."""
    cli.add_command(clean)
