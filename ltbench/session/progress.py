"""Progress of a sweep, as two observers: bars in a terminal, plain lines when piped to a file."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ltbench import hookimpl
from ltbench.plugins.hparams import HParams, hparam
from ltbench.plugins.observer import Observer
from ltbench.printable import guard_streams, inner_stream, printable, shows_escapes
from ltbench.report.dataset_labels import dataset_label
from ltbench.report.short_names import short_names, start_of
from ltbench.results.run import RunSpec
from ltbench.waiting import end_waiting

_SECONDS_BETWEEN_LINES = 20.0
_BAR = 10
_NUMBERS = 16  # "steps done/steps" with the gaps between columns
_STANDING = 38


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

    every: float = hparam(
        _SECONDS_BETWEEN_LINES, low=0.0, high=86400.0, help="seconds between lines on validation"
    )


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
            _text("{task.description}"),
            BarColumn(_BAR),
            MofNCompleteColumn(),
            _text("{task.fields[note]}"),
            console=console_on(sys.stderr),
        )
        self.tasks: dict[Path, TaskID] = {}
        self.names: dict[Path, str] = {}

    @hookimpl
    def ltbench_sweep_started(self, runs: Sequence[RunSpec], done: int) -> None:
        """Show the sweep's bar."""
        self.count = Count(len(runs), done)
        self.all = self.progress.add_task("All runs", total=len(runs), completed=done, note="")
        self.progress.start()
        guard_streams()  # what is printed meanwhile passes through streams of the bars' own

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
        room = self.progress.console.width - _BAR - _NUMBERS - self._room
        note = start_of(printable(_standing(run, record)), room)
        self.progress.update(self._bar(run, folder), completed=record["step"], note=note)

    @hookimpl
    def ltbench_run_finished(self, run: RunSpec, folder: Path, result: Mapping[str, Any]) -> None:
        """Replace a run's bar by a line of how it ended."""
        self.count.done += 1
        self.progress.remove_task(self._bar(run, folder))
        del self.tasks[folder], self.names[folder]
        note = f"{self.count.eta()} left"
        self.progress.update(self.all, completed=self.count.done, note=note)
        self.progress.console.print(Text(printable(f"{_name(run)}: {_outcome(result)}")))

    @hookimpl
    def ltbench_sweep_finished(self) -> None:
        """Leave the terminal as it was."""
        self.progress.stop()

    @property
    def _room(self) -> int:
        """The cells that a name may take: what bar, numbers and standing leave, or a third."""
        width = self.progress.console.width
        return max(width // 3, width - _BAR - _NUMBERS - _STANDING)

    def _bar(self, run: RunSpec, folder: Path) -> TaskID:
        """Return a run's bar; an executor may tell of a run without having said that it started."""
        if folder not in self.tasks:
            total = run.protocol.steps
            self.names[folder] = printable(_name(run))
            self.tasks[folder] = self.progress.add_task(self.names[folder], total=total, note="")
            self._name_bars()
        return self.tasks[folder]

    def _name_bars(self) -> None:
        """Name the runs in progress in a part of the terminal's width, so that they stay apart."""
        short = short_names(self.names.values(), self._room)
        for folder, name in self.names.items():
            self.progress.update(self.tasks[folder], description=short[name])


@contextlib.contextmanager
def decoding_bar(dataset: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while images are decoded; what is given takes how many are, and of how many."""
    with bar(f"Decoding {dataset}") as show:
        yield show


@contextlib.contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on stderr, or now and then a line where that is no terminal.

    Yields:
        A function of how much is done, and of how much.
    """
    end_waiting()
    console = console_on(sys.stderr)
    if not console.is_terminal:
        yield _Counted(title)
        return
    with _counting(console) as progress:
        guard_streams()
        task = progress.add_task(printable(title), total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextlib.contextmanager
def reading_bar(dataset: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar, or lines, from when files are read; what is given takes how many were."""
    title = f"Reading the images of {dataset}"
    with contextlib.ExitStack() as stack:
        shown: list[Callable[[int, int], None]] = []

        def show(done: int, total: int) -> None:
            if not shown:
                shown.append(stack.enter_context(bar(title)))
            shown[0](done, total)

        yield show


def _counting(console: Console, **options: Any) -> Progress:
    """Return a bar of how much is done of one thing."""
    columns = (_text("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console, **options)


class _Counted:
    """Says how far something is, at its beginning and then every 20 seconds."""

    def __init__(self, title: str) -> None:
        self.title, self.last = title, time.monotonic()
        to_stderr(f"{title} …")

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.last > _SECONDS_BETWEEN_LINES:
            self.last = now
            to_stderr(f"{self.title}: {done:,} of {total:,}")


def console_on(stream: TextIO) -> Console:
    """Return what draws on a stream: bars on a terminal, plain text where escapes are unwanted.

    Text for it has passed :func:`~ltbench.printable.printable`, as it writes past the guard.
    """
    if shows_escapes(stream):
        return Console(file=inner_stream(stream))
    return Console(file=stream, force_terminal=False, no_color=True)


def _text(format: str) -> TextColumn:
    """Return a column in which brackets are brackets, and no markup."""
    return TextColumn(format, markup=False)


def to_stderr(line: str) -> None:
    """Print a line on standard error at once."""
    end_waiting()
    print(line, file=sys.stderr, flush=True)


def _name(run: RunSpec) -> str:
    dataset = dataset_label(run.dataset.name, run.dataset_options)
    return f"{run.label} on {dataset}{run.apart} seed {run.seed}"


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
