"""How long runs will take, judged by runs that are done already."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from ltbench.results.index import read_runs
from ltbench.results.run import RunRecord, RunSpec
from ltbench.results.untrusted import numbers
from ltbench.sweeps.steps import total_steps

TUNING = ".tuning"
"""Folder, below that of the runs, of the runs that tuning makes."""

Key = tuple[str, ...]


class Estimator:
    """Estimates the time of runs by that of done runs on the same kind of device.

    Those of the same algorithm, data set and backbone count first; where there is none, those of
    other algorithms on that data set and backbone. The time is taken to be proportional to the
    steps and to the images in a batch.

    Args:
        records: what was run, done or not.
        device: what runs will compute on: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    """

    def __init__(self, records: Iterable[RunRecord], device: str) -> None:
        rates: dict[Key, list[float]] = {}
        for record in records:
            per_run = numbers(record.protocol)
            work = per_run.get("steps", 0.0) * per_run.get("batch_per_domain", 0.0)
            if record.status != "done" or not (work > 0 and record.seconds > 0):
                continue
            kind = str(record.environment.get("device", "")).partition(" ")[0]
            if kind != device.partition(":")[0]:
                continue
            algo = "+".join((record.algorithm, *record.stages))
            rate = record.seconds / work
            rates.setdefault((algo, record.dataset, record.backbone), []).append(rate)
            # Stages have steps of their own, so such runs say little of other algorithms.
            if not record.stages:
                rates.setdefault((record.dataset, record.backbone), []).append(rate)
        self._rates = {key: statistics.median(values) for key, values in rates.items()}

    def seconds(self, spec: RunSpec) -> float | None:
        """Return the seconds that a run may take, or ``None`` where there is no run to judge by."""
        protocol, place = spec.protocol, (spec.dataset.name, spec.backbone.name)
        same = self._rates.get((spec.algo, *place))
        if same is not None:
            return same * protocol.steps * protocol.batch_per_domain
        near = self._rates.get(place)
        return None if near is None else near * total_steps(spec) * protocol.batch_per_domain

    def costs(self, specs: Sequence[RunSpec]) -> list[float]:
        """Return a cost for each run, by which the longest can go first.

        It is the estimate; a run without one is given the seconds that its steps and images take at
        the pace of the others, or just their product where there is no estimate at all.
        """
        work = [float(total_steps(spec) * spec.protocol.batch_per_domain) for spec in specs]
        known = [self.seconds(spec) for spec in specs]
        paces = [s / w for s, w in zip(known, work, strict=True) if s is not None and w]
        pace = statistics.median(paces) if paces else 1.0
        return [w * pace if s is None else s for s, w in zip(known, work, strict=True)]


def read_estimator(out: Path, device: str) -> Estimator:
    """Return the estimator that judges by the runs below ``out``, those of tuning among them."""
    folders = [out, out / TUNING]
    records = [record for folder in folders if folder.is_dir() for record in read_runs(folder)]
    return Estimator(records, device)


def wall_seconds(estimates: Iterable[float], slots: int) -> float:
    """Return how long runs take together on so many slots, the longest first."""
    free = [0.0] * max(1, slots)
    for seconds in sorted(estimates, reverse=True):
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)
