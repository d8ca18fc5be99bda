"""How fast the runs of commands at work get done, and how long the rest will take."""

from __future__ import annotations

import os
import statistics
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

from ltbench.results.run import RunRecord
from ltbench.results.states import Overview

Key = TypeVar("Key", bound=Hashable)


def medians(values: Iterable[tuple[Key, float]]) -> dict[Key, float]:
    """Return the median of the values under each key."""
    grouped: dict[Key, list[float]] = defaultdict(list)
    for key, value in values:
        grouped[key].append(value)
    return {key: statistics.median(group) for key, group in grouped.items()}


def rate(overview: Overview, now: float) -> float | None:
    """Return the runs done per minute since the oldest command at work began.

    Args:
        overview: of the runs.
        now: seconds since 1970.

    Returns:
        ``None`` where no command is at work or nothing was done since it began.
    """
    if not overview.active:
        return None
    began = min(sweep.started for sweep in overview.active)
    done = sum(at >= began for at in _finish_times(overview))
    return done / (now - began) * 60 if done and now > began else None


def seconds_left(overview: Overview) -> float | None:
    """Return how long commands at work still take for their runs, or ``None`` without grounds.

    A run in progress goes on at its own speed. One that waits takes what others of its hash took,
    else what its command expected, else what the others took that are done.
    """
    left = [run for run in overview.runs if run.status == "running" or _is_due(run)]
    if not left:
        return None
    guess = _Guess(overview.runs)
    seconds = [guess.left(run) for run in left]
    known = [value for value in seconds if value is not None]
    if len(known) < len(seconds):
        return None
    running = sum(run.status == "running" for run in left)
    slots = max(sum(sweep.slots for sweep in overview.active), running)
    # No number of slots makes the longest run shorter.
    return max(sum(known) / slots, *known)


def _is_due(run: RunRecord) -> bool:
    return run.status == "waiting" and run.expected


def _finish_times(overview: Overview) -> list[float]:
    times = []
    planned = {run.path for sweep in overview.active for run in sweep.runs}
    for run in overview.runs:
        if run.status == "done" and run.path in planned:
            try:
                times.append(os.stat(f"{run.path}/result.json").st_mtime)
            except OSError:
                continue
    return times


class _Guess:
    """What a run takes, judged by those that are done."""

    def __init__(self, runs: Sequence[RunRecord]) -> None:
        done = (run for run in runs if run.status == "done" and run.seconds > 0)
        self.by_hash = medians((run.hash[:12], run.seconds) for run in done)
        # A run that was never begun has no hash yet, but its folder's name is the hash.
        self.any = statistics.median(self.by_hash.values()) if self.by_hash else None

    def left(self, run: RunRecord) -> float | None:
        progress = run.progress
        if progress is not None and progress.share and progress.seconds > 0:
            return progress.seconds * (1 - progress.share) / progress.share
        name = os.path.basename(os.path.dirname(run.path))
        alone = self.by_hash.get(name)
        if alone is None and run.estimate is not None:
            return run.estimate
        alone = self.any if alone is None else alone
        return None if alone is None else alone * run.own_share
