"""Which runs of a sweep train a first stage for others, and which have yet to wait for it."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ltbench.results.claim import WATCH, Owner, find_owner
from ltbench.results.folder import RunFolder
from ltbench.training.job import Job

LOOK_S = 0.5
"""Seconds between two looks at what was trained."""
_SUFFIX = ".pt"  # of what ltbench.training.first_stage keeps, which needs torch


class FirstStages:
    """Of the runs that begin with the same stage one goes first, and the others when it has it.

    It is one that was broken off within the stage, if there is one; else the run of that stage
    alone, whose folder then serves the others; else the longest.

    Args:
        jobs: of a sweep, the costliest first.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        groups: dict[Path, list[Job]] = defaultdict(list)
        for job in jobs:
            if job.first_stage is not None and not _is_past(job):
                groups[job.first_stage].append(job)
        self._groups = {folder: group for folder, group in groups.items() if len(group) > 1}
        self._leaders: dict[Path, Path] = {}  # by the stage's folder, that of the run to train it
        self._look_at: dict[Path, float] = {}  # by time.monotonic
        self._needing = {job.folder for group in self._groups.values() for job in group}
        for folder, group in self._groups.items():
            if not any(map(is_there, group)):
                self._leaders[folder] = min(group, key=_rank).folder

    def ordered(self, jobs: Iterable[Job]) -> list[Job]:
        """Return jobs so that what others wait for goes early: the longest way to an end first."""

        def length(job: Job) -> float:
            return job.cost + max((other.cost for other in self._followers(job)), default=0.0)

        return sorted(jobs, key=lambda job: -length(job))

    def hold(self, job: Job) -> bool:
        """Return whether a job has to wait for another one of the sweep, which trains its stage."""
        folder = job.first_stage
        if folder is None or job.folder not in self._needing or self._leads(job):
            return False
        if folder not in self._leaders:
            return False
        if time.monotonic() < self._look_at.get(folder, 0.0):
            return True
        self._look_at[folder] = time.monotonic() + LOOK_S
        if is_there(job):
            del self._leaders[folder]
            return False
        return True

    def takes_over(self, job: Job) -> bool:
        """Return whether a job will find its first stage trained by another run."""
        if job.first_stage is None or _is_past(job):
            return False
        if job.first_stage in self._leaders:
            return not self._leads(job)
        return is_there(job)

    def ended(self, job: Job) -> None:
        """Take in that a run is over, and have another one train the stage if it still must be."""
        folder = job.first_stage
        if folder is None or not self._leads(job):
            return
        left = self._groups[folder] = list(self._followers(job))
        del self._leaders[folder]
        if len(left) > 1 and not any(map(is_there, left)):
            self._leaders[folder] = min(left, key=_rank).folder

    def sharing(self, job: Job, result: Mapping[str, Any]) -> Iterator[Job]:
        """Yield the runs that a run's divergence is one of too: it was in the stage they share."""
        if result.get("status") == "diverged" and result.get("stage") == job.spec.algorithm.title:
            yield from self._followers(job)

    def _followers(self, job: Job) -> Iterator[Job]:
        """Yield the runs that wait for a job's first stage."""
        if job.first_stage is not None and self._leads(job):
            yield from (o for o in self._groups[job.first_stage] if o.folder != job.folder)

    def _leads(self, job: Job) -> bool:
        return job.first_stage is not None and self._leaders.get(job.first_stage) == job.folder


def is_there(job: Job) -> bool:
    """Return whether a job's first stage was trained, in whatever environment."""
    return any(RunFolder(run).done for run in job.first_runs) or (
        job.first_stage is not None and _holds_any(job.first_stage)
    )


def find_trainer(job: Job) -> tuple[Owner | None, str | None]:
    """Return who trains a job's first stage at this moment, and the key of who did and is gone."""
    if job.first_stage is None or _is_past(job):
        return None, None
    gone = None
    if (owner := find_owner(job.first_stage)) is not None:
        if not WATCH.sees_gone(owner):
            return owner, None
        gone = owner.key
    if not is_there(job):
        for owner in filter(None, map(find_owner, job.first_runs)):
            if not WATCH.sees_gone(owner):
                return owner, gone
    return None, gone


def gone_runs(job: Job) -> tuple[str, ...]:
    """Return the keys of claims on runs of a job's first stage alone whose owners are gone."""
    if job.first_stage is None or _is_past(job):
        return ()
    owners = filter(None, map(find_owner, job.first_runs))
    return tuple(owner.key for owner in owners if WATCH.sees_gone(owner))


def _rank(job: Job) -> tuple[bool, bool, float]:
    return not RunFolder(job.folder).latest.exists(), bool(job.spec.stages), -job.cost


def _is_past(job: Job) -> bool:
    """Return whether a run has its first stage behind it."""
    return RunFolder(job.folder).beginning.exists()


def _holds_any(folder: Path) -> bool:
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return any(name.endswith(_SUFFIX) and not name.startswith(".") for name in names)
