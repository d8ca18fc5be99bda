"""What the trackers share: each run's evaluations once and in order, several runs at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ltbench.api import Observer, RunSpec, hookimpl
from ltbench_observers.history import History


class Tracker(Observer):
    """Turns the hooks into three calls that subclasses implement."""

    def __init__(self, hparams: Any) -> None:
        super().__init__(hparams)
        self._histories: dict[Path, History] = {}

    def write(self, run: RunSpec, folder: Path, history: History) -> None:
        """Write all evaluations of a run anew, in place of what an earlier attempt wrote."""
        raise NotImplementedError

    def append(self, run: RunSpec, folder: Path, history: History) -> None:
        """Write the last evaluation after those before it."""
        raise NotImplementedError

    def end(self, run: RunSpec, folder: Path, history: History, result: Mapping[str, Any]) -> None:
        """Write how a run ended; everything else is written."""
        raise NotImplementedError

    @hookimpl
    def ltbench_run_evaluated(self, run: RunSpec, folder: Path, record: Mapping[str, Any]) -> None:
        """Write an evaluation."""
        history = self._histories.get(folder)
        if history is not None and history.add(record):
            self.append(run, folder, history)
            return
        if history is None:
            history = History(folder)
            history.add(record)
        self.write(run, folder, history)
        self._histories[folder] = history

    @hookimpl
    def ltbench_run_finished(self, run: RunSpec, folder: Path, result: Mapping[str, Any]) -> None:
        """Write how a run ended."""
        history = self._histories.pop(folder, None)
        if history is None:  # all that was left to do was the test, or it failed before the first
            history = History(folder)
            self.write(run, folder, history)
        self.end(run, folder, history, result)
