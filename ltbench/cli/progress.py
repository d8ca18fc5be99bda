"""Progress of a sweep: live bars in a terminal, plain lines when piped to a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from ltbench.training.job import Job

LINE_SECONDS = 20.0


class Display:
    """Shows nothing; the base of the displays that do."""

    def __init__(self, runs: int, done: int) -> None:
        self.runs, self.done, self.already = runs, done, done
        self.began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the display."""

    def show(self, job: Job, event: Mapping[str, Any]) -> None:
        """Take one event of a run."""
        if event["event"] == "finished":
            self.done += 1

    def eta(self) -> str:
        """Return the time left, judged by the runs finished so far."""
        finished = self.done - self.already
        if not finished:
            return "?"
        left = (time.monotonic() - self.began) / finished * (self.runs - self.done)
        return f"{int(left) // 60}:{int(left) % 60:02d}"


class Lines(Display):
    """One line when a run starts or ends, and one now and then in between."""

    def __init__(self, runs: int, done: int) -> None:
        super().__init__(runs, done)
        self.last = 0.0
        if done:
            click.echo(f"{done} of {runs} runs are done already", err=True)

    def show(self, job: Job, event: Mapping[str, Any]) -> None:
        """Print what is worth a line."""
        super().show(job, event)
        now = time.monotonic()
        if event["event"] == "finished":
            text = f"[{self.done}/{self.runs}] {_name(job)}: {_outcome(event['result'])}"
            click.echo(f"{text}, {self.eta()} left", err=True)
        elif event["event"] == "evaluated" and now - self.last > LINE_SECONDS:
            self.last = now
            click.echo(f"        {_name(job)}: {_standing(job, event)}", err=True)


class Bars(Display):
    """A bar for the sweep and one for every run in progress."""

    def __init__(self, runs: int, done: int) -> None:
        super().__init__(runs, done)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
        )
        self.all = self.progress.add_task("All runs", total=runs, completed=done, note="")
        self.tasks: dict[Path, TaskID] = {}
        self.notes: dict[Path, str] = {}

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        self.progress.stop()

    def show(self, job: Job, event: Mapping[str, Any]) -> None:
        """Move the bars."""
        super().show(job, event)
        if event["event"] == "started":
            steps = job.spec.protocol.steps
            self.tasks[job.folder] = self.progress.add_task(_name(job), total=steps, note="")
        elif event["event"] == "finished":
            self.progress.remove_task(self.tasks.pop(job.folder))
            note = f"{self.eta()} left"
            self.progress.update(self.all, completed=self.done, note=note)
            outcome = _outcome(event["result"])
            self.progress.console.print(f"{_name(job)}: {outcome}", highlight=False, markup=False)
        else:
            task = self.tasks[job.folder]
            self.progress.update(task, completed=event["step"])
            if event["event"] == "evaluated":
                self.progress.update(task, note=_standing(job, event))


def make_display(runs: int, done: int, *, quiet: bool) -> Display:
    """Return the display that fits: none, bars in a terminal, or lines.

    Args:
        runs: runs of the sweep.
        done: runs that are done already.
        quiet: show nothing.
    """
    if quiet:
        return Display(runs, done)
    return Bars(runs, done) if sys.stderr.isatty() else Lines(runs, done)


def _name(job: Job) -> str:
    return f"{job.spec.label} on {job.spec.dataset.name} seed {job.spec.seed}"


def _standing(job: Job, event: Mapping[str, Any]) -> str:
    metric = job.spec.protocol.selection_metric
    value = event["val"].get(metric)
    score = "" if value is None else f", val {metric} {value:.3f}"
    return f"{event['stage']} step {event['step']}{score}"


def _outcome(result: Mapping[str, Any]) -> str:
    if "test" not in result:
        return f"{result['status']}: {result['error']}" if "error" in result else result["status"]
    test = result["test"]
    seconds = result["timings"]["total_s"]
    return (
        f"test accuracy {test['accuracy_average']:.3f} average, {test['accuracy_worst']:.3f} "
        f"worst, in {seconds:.0f} s"
    )
