"""A sweep as the command line sees it: what will run, progress, and what came of it."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import rich.progress

from ltbench.cli.observers import Watcher, choose_watchers, watching
from ltbench.data.store import is_cached, open_store
from ltbench.errors import LtbenchError, UsageError
from ltbench.executors.base import Executor, Stopped
from ltbench.executors.observation import Observation
from ltbench.plugins.manager import get_plugins
from ltbench.report.plain import duration
from ltbench.results.folder import RunFolder
from ltbench.results.run import RunSpec
from ltbench.results.sweeps import PlannedRun, write_record
from ltbench.sweeps.estimate import Estimator, wall_seconds
from ltbench.sweeps.steps import total_steps
from ltbench.training.job import Job
from ltbench.training.plan import Plan, Request


class SweepStopped(LtbenchError):
    """The user stopped the sweep."""

    exit_code = 130


class Sweep:
    """The runs of one ``ltbench run``.

    Args:
        plan: the runs and their data sets.
        out: the folder of the runs.
        quiet: show no progress.
        watchers: who is told what happens; by default a display of progress, unless quiet.
        estimator: tells how long runs will take; by default nothing is known.
    """

    def __init__(
        self,
        plan: Plan,
        out: Path,
        *,
        quiet: bool,
        watchers: Sequence[Watcher] | None = None,
        estimator: Estimator | None = None,
    ) -> None:
        self.plan, self.out, self.quiet = plan, out, quiet
        self.estimator = estimator or Estimator([], "")
        if watchers is None:
            watchers = choose_watchers(get_plugins(), (), quiet=quiet)
        self.watchers = watchers
        self.observation = Observation(get_plugins())

    @property
    def outcomes(self) -> dict[Path, str]:
        """How each run ended, by folder."""
        return self.observation.outcomes

    def describe(self, *, slots: int, as_json: bool) -> None:
        """Print the runs: which, where, whether they are done, and how long the others will take.

        Args:
            slots: runs at a time.
            as_json: print one JSON array instead.
        """
        rows = [(spec, spec.folder(self.out)) for spec in self.plan.specs]
        states = [_state(folder) for _, folder in rows]
        seconds = [self.estimator.seconds(spec) for spec, _ in rows]
        if as_json:
            runs = [
                {**_summary(spec, folder, state), "estimate_s": None if state == "done" else s}
                for (spec, folder), state, s in zip(rows, states, seconds, strict=True)
            ]
            click.echo(json.dumps(runs, indent=1))
            return
        for (spec, folder), state, s in zip(rows, states, seconds, strict=True):
            time = "" if state == "done" else f"about {duration(s)}" if s else "time unknown"
            click.echo(
                f"{state:8} {time:14} {spec.label} on {spec.dataset.name} seed {spec.seed}  "
                f"{folder}"
            )
        left = [s for s, state in zip(seconds, states, strict=True) if state != "done"]
        done = len(rows) - len(left)
        click.echo(f"{len(rows)} runs, {done} of them done{time_left(left, slots)}")

    def prepare(self, request: Request) -> None:
        """Check the output folder and get images and weights ready before any run starts.

        Raises:
            UsageError: the folder is not writable, an image is broken, or weights are missing.
        """
        check_writable(self.out)
        for dataset, split in self.plan.datasets:
            if is_cached(dataset, split) or self.quiet:
                open_store(dataset, split)
                continue
            with rich.progress.Progress(console=rich.console.Console(stderr=True)) as bar:
                task = bar.add_task(f"Decoding {dataset.name}", total=len(split))
                open_store(dataset, split, lambda done, total: bar.update(task, completed=done))  # noqa: B023
        _check_backbones(self.plan, request)

    def run(self, executor: Executor, jobs: Sequence[Job]) -> int:
        """Carry out what is not done yet and return the number of runs that failed.

        Raises:
            SweepStopped: the user pressed Ctrl-C.
        """
        self._record(len(executor.slots.devices))
        open_jobs = []
        for job in jobs:
            folder = RunFolder(job.folder)
            if folder.done:
                folder.tidy()  # of what a command that was killed at the very end left there
            else:
                open_jobs.append(job)
        self.outcomes.update({job.folder: "done" for job in jobs})
        plugins = get_plugins()
        with watching(plugins, self.watchers):
            done, specs = len(jobs) - len(open_jobs), [job.spec for job in jobs]
            plugins.call("ltbench_sweep_started", runs=specs, done=done, out=self.out.resolve())
            try:
                if open_jobs:
                    executor.run(open_jobs, self.observation)
            except Stopped:
                # Ctrl-C once more, out of impatience, shall not cost the sentence below.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                done = sum(RunFolder(job.folder).done for job in jobs)
                raise SweepStopped(
                    f"stopped with {done} of {len(jobs)} runs done; type the same command to go on"
                ) from None
            finally:
                plugins.call("ltbench_sweep_finished")
        return sum(outcome in ("failed", "diverged") for outcome in self.outcomes.values())

    def _record(self, slots: int) -> None:
        """Leave word of what this command sets out to do; the runs go on without it too."""
        runs = [
            PlannedRun(spec, total_steps(spec), self.estimator.seconds(spec))
            for spec in self.plan.specs
        ]
        try:
            write_record(self.out, ["ltbench", *sys.argv[1:]], runs, slots)
        except OSError as error:
            click.echo(f"Warning: no record of this sweep: {error}", err=True)

    def conclude(self, *, as_json: bool, leaderboard: bool) -> None:
        """Print what came of the runs, the table, and what to type next."""
        folders = {spec.folder(self.out.resolve()): spec for spec in self.plan.specs}
        if as_json:
            runs = [_summary(s, f, self.outcomes[f]) for f, s in folders.items()]
            click.echo(json.dumps({"out": str(self.out), "runs": runs}, indent=1))
            return
        for folder, outcome in self.outcomes.items():
            if outcome in ("failed", "diverged"):
                spec = folders[folder]
                click.echo(
                    f"{outcome}: {spec.label} seed {spec.seed}: {self.observation.causes[folder]}"
                )
        if leaderboard and any(outcome == "done" for outcome in self.outcomes.values()):
            from ltbench.report.leaderboard import render

            names = sorted({spec.dataset.name for spec in self.plan.specs})
            click.echo(render(self.out, datasets=names))
        click.echo(f"The runs lie in {self.out}/. Next:")
        click.echo(f"  ltbench leaderboard {self.out} -o leaderboard.md")


def time_left(estimates: Sequence[float | None], slots: int) -> str:
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


def check_writable(out: Path) -> None:
    """Create the folder of the runs and check that files can be written there.

    Raises:
        UsageError: they cannot.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise UsageError(
            f"--out {out} cannot be written: {error.strerror}; choose another folder"
        ) from error


def _check_backbones(plan: Plan, request: Request) -> None:
    """Build once what needs weights from elsewhere, so that they are fetched or missed now."""
    from ltbench.models.catalogue import build_backbone
    from ltbench.models.weights import load_weights

    seen = set()
    known = {dataset.name: dataset.facts for dataset, _ in plan.datasets}
    for spec in plan.specs:
        facts = spec.protocol.sized(known[spec.dataset.name])
        shape = (facts.channels, facts.size, facts.size)
        key = (spec.backbone.name, shape, spec.backbone.pretrained)
        if key in seen:
            continue
        seen.add(key)
        backbone = build_backbone(*key)
        if request.weights is not None:
            load_weights(backbone, request.weights)


def _state(folder: Path) -> str:
    if RunFolder(folder).done:
        return "done"
    error = RunFolder(folder).error
    if error.exists():
        with contextlib.suppress(OSError, ValueError, KeyError):
            return str(json.loads(error.read_text())["status"])
    return "begun" if RunFolder(folder).latest.exists() else "waiting"


def _summary(spec: RunSpec, folder: Path, state: str) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "label": spec.label,
        "dataset": spec.dataset.name,
        "seed": spec.seed,
        "hash": spec.hash,
        "folder": str(folder),
        "state": state,
    }
    with contextlib.suppress(OSError, ValueError, KeyError):
        summary["test"] = json.loads(RunFolder(folder).result.read_text())["test"]
    return summary
