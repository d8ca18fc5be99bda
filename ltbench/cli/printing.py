"""What ``run``, ``retry`` and ``tune`` print: plans, outcomes and studies."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ltbench.report.dataset_labels import dataset_label
from ltbench.report.plain import duration
from ltbench.report.terminal import table, wrapped
from ltbench.results.labels import tuning_cell
from ltbench.session.estimate import wall_seconds
from ltbench.session.plan import Plan
from ltbench.session.session import Session, SweepRun
from ltbench.session.studies import Study

FEW_SEEDS = 10
"""From so many seeds of each method on nobody is reminded to ask whether they are enough."""


def print_plan(session: Session, plan: Plan, *, as_json: bool, then: Sequence[str] = ()) -> None:
    """Print the runs: which, where, how they stand, and how long those left will take.

    Args:
        session: that would carry them out.
        plan: the runs.
        as_json: print one JSON array instead.
        then: commands to be typed after them.
    """
    runs = session.describe(plan)
    if as_json:
        click.echo(json.dumps([_described(run) for run in runs], indent=1))
        return
    for run in runs:
        unknown = "" if run.state == "done" else "time unknown"
        time = f"about {duration(run.estimate)}" if run.estimate else unknown
        dataset = dataset_label(run.spec.dataset.name, run.spec.dataset_options)
        name = f"{run.spec.label} on {dataset}{run.spec.apart} seed {run.spec.seed}"
        click.echo(f"{run.state:10} {time:14} {name}  {run.folder}")
    left = [run.estimate for run in runs if run.state != "done"]
    time = _time_left(left, len(session.slots(plan).devices))
    count = f"{len(runs)} run{'s' * (len(runs) != 1)}"
    click.echo(f"{count}, {len(runs) - len(left)} of them done{time}")
    for line in then:
        click.echo(f"then: {line}")


def _described(run: SweepRun) -> dict[str, Any]:
    """Return a run that is planned, for JSON."""
    return {**run.as_dict(), "estimate_s": run.estimate}


def print_outcome(
    plan: Plan,
    runs: Sequence[SweepRun],
    *,
    as_json: bool,
    leaderboard: bool,
    then: Sequence[str] = (),
) -> int:
    """Print what came of the runs, the table, and what to type next.

    Args:
        plan: the runs.
        runs: how they ended.
        as_json: print one JSON object instead.
        leaderboard: print the table.
        then: commands that belong to what was asked for, and come first.

    Returns:
        How many failed or diverged.
    """
    lost = [run for run in runs if run.state in ("failed", "diverged")]
    if as_json:
        document = {"out": str(plan.out), "runs": [run.as_dict() for run in runs]}
        click.echo(json.dumps(document, indent=1))
        return len(lost)
    for run in lost:
        click.echo(
            f"{run.state}: {run.spec.label}{run.spec.apart} seed {run.spec.seed}: {run.reason}"
        )
    if leaderboard and any(run.state == "done" for run in runs):
        from ltbench.report.leaderboard import render

        click.echo(render(plan.out, datasets=sorted({run.spec.dataset.name for run in runs})))
    click.echo(f"The runs lie in {plan.out}/. Next:")
    for line in [*then, *next_commands(plan.out, [run for run in runs if run.state == "done"])]:
        click.echo(f"  {line}")
    return len(lost)


def next_commands(out: Path, done: Sequence[SweepRun]) -> list[str]:
    """Return what to type after a sweep, with a word on the seeds where they are few.

    Args:
        out: the folder of the runs.
        done: the runs of the sweep that have a result.
    """
    folder = shlex.quote(str(out))
    commands = [
        f"ltbench leaderboard {folder} -o leaderboard.md",
        f"ltbench report {folder} -o report.html",
    ]
    seeds = min(Counter((run.spec.dataset.name, run.spec.hash) for run in done).values(), default=0)
    if 0 < seeds < FEW_SEEDS:
        have = "is 1 seed" if seeds == 1 else f"are {seeds} seeds"
        commands.append(f"ltbench stats {folder} --power 2  # {have} enough for 2 points?")
    return commands


def study_heading(study: Study) -> str:
    """Return what is tuned, with which budget."""
    return f"{study.method.title}{study.method.spec.apart}, {tuning_cell(study.tuned())}"


def print_trials(session: Session, studies: Sequence[tuple[Study, Plan]], *, as_json: bool) -> None:
    """Print the trials that come next, study after study, and what cannot be told yet.

    Args:
        session: knows how runs stand.
        studies: each with the runs of those trials.
        as_json: as one array of runs, each with what is searched and in how many trials.
    """
    if as_json:
        runs = [
            {**_described(run), "axes": study.budget.axes, "trials": study.budget.trials}
            for study, plan in studies
            for run in session.describe(plan)
        ]
        click.echo(json.dumps(runs, indent=1))
        return
    for study, plan in studies:
        click.echo(study_heading(study))
        print_plan(session, plan, as_json=False)
        if later := study.budget.trials - len(study.trials):
            click.echo(f"{later} more trials depend on what these score")


def print_study(study: Study) -> None:
    """Print the trials of a study as a table, the best first."""
    scored = sorted(study.trials, key=lambda t: (t.value is None, -(t.value or 0.0), t.number))
    body = [
        (
            str(trial.number),
            trial.status if trial.value is None else f"{100 * trial.value:.1f}",
            trial.label + (" (defaults)" if not trial.point else ""),
            "<- best" if trial is study.best else "",
        )
        for trial in scored
    ]
    head = ("trial", f"val {study.metric}", "setting", "")
    click.echo(wrapped(f"{study_heading(study)}; scores are the validation's, in %"))
    click.echo(f"\n{table(head, body, align='rrll', priority=(0, 0, 0, 0))}\n")


def _time_left(estimates: Sequence[float | None], slots: int) -> str:
    """Return in words how long runs will take together, ready to follow a count of them."""
    known = [seconds for seconds in estimates if seconds is not None]
    if not estimates:
        return ""
    if not known:
        return "; there is no run to judge by how long they will take"
    at_a_time = f"{slots} at a time" if slots > 1 else "one after the other"
    text = f"; about {duration(wall_seconds(known, slots))} {at_a_time}"
    if len(known) < len(estimates):
        text += f", without {len(estimates) - len(known)} for which there is no run to judge by"
    return text
