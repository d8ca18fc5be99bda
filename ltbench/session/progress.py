"""Progress of a sweep, as two observers: bars in a terminal, plain lines when piped to a file."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from ltbench import hookimpl
from ltbench.plugins.hparams import HParams, hparam
from ltbench.plugins.observer import Observer
from ltbench.results.run import RunSpec
from ltbench.waiting import end_waiting


class Count:
    """How many runs of a sweep there are, how many are done, and how long the rest will take."""

    def __init__(self, runs: int, done: int) -> None:
        self.runs, self.done, self.already = runs, done, done
        self.began = time.monotonic()

    def eta(self) -> str:
        """Return the time left, judged by the runs finished so far."""
        finished = self.done - self.already
        if not finished:
            return "?"
        left = (time.monotonic() - self.began) / finished * (self.runs - self.done)
        return f"{int(left) // 60}:{int(left) % 60:02d}"


class LinesHParams(HParams):
    """How often there is a line."""

    every: float = hparam(20.0, low=0.0, high=86400.0, help="seconds between lines on validation")


class Lines(Observer):
    """One line when a run ends, and one now and then in between."""

    HParams = LinesHParams

    def __init__(self, hparams: LinesHParams) -> None:
        super().__init__(hparams)
        self.count = Count(0, 0)
        self.last = -math.inf

    @hookimpl
    def ltbench_sweep_started(self, runs: Sequence[RunSpec], done: int) -> None:
        """Say how much is done already."""
        self.count = Count(len(runs), done)
        if done:
            to_stderr(f"{done} of {len(runs)} runs are done already")

    @hookimpl
    def ltbench_run_evaluated(self, run: RunSpec, record: Mapping[str, Any]) -> None:
        """Say how a run stands, now and then."""
        now = time.monotonic()
        if now - self.last > self.hparams.every:
            self.last = now
            to_stderr(f"        {_name(run)}: {_standing(run, record)}")

    @hookimpl
    def ltbench_run_finished(self, run: RunSpec, result: Mapping[str, Any]) -> None:
        """Say how a run ended."""
        self.count.done += 1
        text = f"[{self.count.done}/{self.count.runs}] {_name(run)}: {_outcome(result)}"
        to_stderr(f"{text}, {self.count.eta()} left")


class Bars(Observer):
    """A bar for the sweep and one for every run in progress."""

    def __init__(self, hparams: HParams) -> None:
        super().__init__(hparams)
        self.count = Count(0, 0)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
        )
        self.tasks: dict[Path, TaskID] = {}

    @hookimpl
    def ltbench_sweep_started(self, runs: Sequence[RunSpec], done: int) -> None:
        """Show the sweep's bar."""
        self.count = Count(len(runs), done)
        self.all = self.progress.add_task("All runs", total=len(runs), completed=done, note="")
        self.progress.start()

    @hookimpl
    def ltbench_run_started(self, run: RunSpec, folder: Path) -> None:
        """Show a run's bar."""
        self._bar(run, folder)

    @hookimpl
    def ltbench_run_progressed(self, run: RunSpec, folder: Path, step: int) -> None:
        """Move a run's bar."""
        self.progress.update(self._bar(run, folder), completed=step)

    @hookimpl
    def ltbench_run_evaluated(self, run: RunSpec, folder: Path, record: Mapping[str, Any]) -> None:
        """Show how a run stands."""
        note = _standing(run, record)
        self.progress.update(self._bar(run, folder), completed=record["step"], note=note)

    @hookimpl
    def ltbench_run_finished(self, run: RunSpec, folder: Path, result: Mapping[str, Any]) -> None:
        """Replace a run's bar by a line of how it ended."""
        self.count.done += 1
        self.progress.remove_task(self._bar(run, folder))
        del self.tasks[folder]
        note = f"{self.count.eta()} left"
        self.progress.update(self.all, completed=self.count.done, note=note)
        line = f"{_name(run)}: {_outcome(result)}"
        self.progress.console.print(line, highlight=False, markup=False)

    @hookimpl
    def ltbench_sweep_finished(self) -> None:
        """Leave the terminal as it was."""
        self.progress.stop()

    def _bar(self, run: RunSpec, folder: Path) -> TaskID:
        """Return a run's bar; an executor may tell of a run without having said that it started."""
        if folder not in self.tasks:
            total = run.protocol.steps
            self.tasks[folder] = self.progress.add_task(_name(run), total=total, note="")
        return self.tasks[folder]


@contextlib.contextmanager
def decoding_bar(dataset: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while images are decoded; what is given takes how many are, and of how many."""
    end_waiting()
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(f"Decoding {dataset}", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextlib.contextmanager
def reading_bar(dataset: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar in a terminal from when files are read; what is given takes how many were."""
    console = Console(stderr=True)
    progress = Progress(console=console, transient=True, disable=not console.is_terminal)
    task = progress.add_task(f"Reading the images of {dataset}", total=None)

    def show(done: int, total: int) -> None:
        end_waiting()
        progress.start()
        progress.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        progress.stop()


def to_stderr(line: str) -> None:
    """Print a line on standard error at once."""
    end_waiting()
    print(line, file=sys.stderr, flush=True)


def _name(run: RunSpec) -> str:
    return f"{run.label} on {run.dataset.name} seed {run.seed}"


def _standing(run: RunSpec, record: Mapping[str, Any]) -> str:
    metric = run.protocol.selection_metric
    value = record["val"].get(metric)
    score = "" if value is None else f", val {metric} {value:.3f}"
    return f"{record['stage']} step {record['step']}{score}"


def _outcome(result: Mapping[str, Any]) -> str:
    if "test" not in result:
        return f"{result['status']}: {result['error']}" if "error" in result else result["status"]
    test = result["test"]
    seconds = result["timings"]["total_s"]
    return (
        f"test accuracy {test['accuracy_average']:.3f} average, {test['accuracy_worst']:.3f} "
        f"worst, in {seconds:.0f} s"
    )
