"""How long runs will take, judged by runs that are done already."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ltbench.executors.first_stages import FirstStages
from ltbench.plugins.names import AT
from ltbench.results.folder import RunFolder
from ltbench.results.forecast import medians
from ltbench.results.index import read_runs
from ltbench.results.run import RunRecord, RunSpec
from ltbench.results.sweeps import TUNING
from ltbench.results.untrusted import numbers
from ltbench.training.job import Job
from ltbench.training.steps import stage_steps

Key = tuple[str, ...]
_LEAST_SHARE = 0.02


def own_shares(jobs: Sequence[Job]) -> list[float]:
    """Return for each run the share of its time that is left where others train its first stage.

    Args:
        jobs: of a sweep, done or not, which know where first stages are shared.
    """
    left = [job for job in jobs if not RunFolder(job.folder).done]
    first_stages = FirstStages(sorted(left, key=lambda job: -job.cost))
    return [_own_share(job.spec) if first_stages.takes_over(job) else 1.0 for job in jobs]


def _own_share(spec: RunSpec) -> float:
    first, *others = stage_steps(spec)
    # Where nothing is trained there is still the test.
    return max(_LEAST_SHARE, sum(others) / max(1, first + sum(others)))


class Estimator:
    """Estimates the time of runs by that of done runs on the same kind of device.

    Those of the same algorithm, data set and backbone count first; where there is none, those of
    other algorithms on that data set and backbone. The time is taken to be proportional to the
    steps and to the images in one. A run is estimated as if it were alone; see :func:`own_shares`.

    Args:
        records: what was run, done or not.
        device: what runs will compute on: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    """

    def __init__(self, records: Iterable[RunRecord], device: str) -> None:
        self._rates = medians(_rates(records, device.partition(":")[0]))

    def seconds(self, spec: RunSpec) -> float | None:
        """Return the seconds that a run may take, or ``None`` where there is no run to judge by."""
        place, in_step = (spec.dataset.name, spec.backbone.title), _images(spec)
        same = self._rates.get((spec.algo, *place))
        if same is not None:
            return same * spec.protocol.steps * in_step
        near = self._rates.get(place)
        return None if near is None else near * sum(stage_steps(spec)) * in_step

    def costs(self, specs: Sequence[RunSpec]) -> list[float]:
        """Return a cost for each run, by which the longest can go first.

        It is the estimate; a run without one is given the seconds that its steps and images take at
        the pace of the others, or just their product where there is no estimate at all.
        """
        work = [float(sum(stage_steps(spec)) * _images(spec)) for spec in specs]
        known = [self.seconds(spec) for spec in specs]
        paces = [s / w for s, w in zip(known, work, strict=True) if s is not None and w]
        pace = statistics.median(paces) if paces else 1.0
        return [w * pace if s is None else s for s, w in zip(known, work, strict=True)]


def _images(spec: RunSpec) -> int:
    """Return the images of each domain in a step."""
    return spec.protocol.batch_per_domain * spec.protocol.accumulate


def _rates(records: Iterable[RunRecord], kind: str) -> Iterator[tuple[Key, float]]:
    """Yield the seconds per step and image of done runs, under all keys that they speak for."""
    for run in records:
        per_run = numbers(run.protocol)
        work = per_run.get("steps", 0.0) * per_run.get("batch_per_domain", 0.0)
        work *= per_run.get("accumulate", 1.0)
        device = str(run.environment.get("device", "")).partition(" ")[0]
        if run.status != "done" or device != kind or not (work > 0 and run.seconds > 0):
            continue
        if run.combined:  # its seconds are of no training
            continue
        yield (run.algo, run.dataset, run.backbone), run.seconds / work
        # Stages have steps of their own, and modifiers work of their own, so such runs say little
        # of other algorithms.
        if not run.stages and AT not in run.algorithm:
            yield (run.dataset, run.backbone), run.seconds / work


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
