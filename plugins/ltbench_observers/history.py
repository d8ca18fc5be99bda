"""The evaluations of one run in their order, without gaps or repeats, however they are told.

A run that resumes repeats what its last checkpoint does not cover; an executor may tell of a run
long after it began; an observer may be switched on for the second half only. The run's log is right
in all of these cases, so it is read whenever an evaluation does not simply follow the one before.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltbench.api import read_log

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Point:
    """One evaluation.

    Attributes:
        position: optimisation steps since the run began. Every stage's steps count from 1 again in
            the log; a stage without steps counts as one, so that no two points coincide.
        start: position where its stage began.
        record: the line of ``log.jsonl``.
    """

    position: int
    start: int
    record: Record


class History:
    """What is known of one run, from its log on.

    Attributes:
        points: the evaluations in their order.
        began: when the run would have begun, in seconds since the epoch, had it never paused. A
            point's time is this plus its record's ``seconds``, whenever it was told.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.points = _points(read_log(folder))
        now = _written(folder)
        self.began = now - (_seconds(self.points[-1].record) if self.points else 0.0)

    def add(self, record: Record) -> bool:
        """Take in an evaluation; false where it does not follow the last, and points changed."""
        if not self.points:
            self.began = time.time() - _seconds(record)
        elif not self._goes_on(record):
            self.points = _points([*self._before(record), record])
            return False
        self.points.append(_next(self.points, record))
        return True

    def time(self, point: Point) -> float:
        """Return when the evaluation was, in seconds since the epoch."""
        return self.began + _seconds(point.record)

    def _goes_on(self, record: Record) -> bool:
        last = self.points[-1].record
        if record["stage"] == last["stage"]:
            return bool(record["step"] > last["step"])
        return all(point.record["stage"] != record["stage"] for point in self.points)

    def _before(self, record: Record) -> list[Record]:
        """Return what comes before an evaluation that was told before, by the log if it has it."""
        sources: tuple[list[Record], ...] = (
            list(read_log(self.folder)),
            [point.record for point in self.points],
        )
        for known in sources:
            places = [i for i, other in enumerate(known) if _same(other, record)]
            if places:
                return known[: places[-1]]
        return []  # the run began anew


def _same(a: Record, b: Record) -> bool:
    return (a.get("stage"), a.get("step")) == (b["stage"], b["step"])


def _points(records: Iterable[Record]) -> list[Point]:
    points: list[Point] = []
    for record in records:
        points.append(_next(points, record))
    return points


def _next(points: list[Point], record: Record) -> Point:
    start = 0
    if points:
        last = points[-1]
        same = last.record["stage"] == record["stage"] and last.record["step"] < record["step"]
        start = last.start if same else last.position
    return Point(start + max(1, int(record["step"])), start, record)


def _seconds(record: Record) -> float:
    return float(record.get("seconds", 0.0))


def _written(folder: Path) -> float:
    try:
        return (folder / "log.jsonl").stat().st_mtime
    except OSError:
        return time.time()
