"""Jobs that another command works on: put aside, watched, taken over if that command is gone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ltbench.executors.first_stages import find_trainer, gone_runs
from ltbench.results.claim import WATCH, Owner, find_owner
from ltbench.results.folder import RunFolder
from ltbench.results.untrusted import read_json
from ltbench.training.job import Job

POLL_S = 1.0
"""Seconds between two looks."""

Stamp = tuple[int, int] | None


@dataclass(frozen=True)
class _Waiting:
    job: Job
    error: Stamp  # of the error.json that was there before
    owner: Owner


class Waiting:
    """The jobs that other commands have.

    Before a job is submitted, :meth:`look` says what there is to do with it; every :data:`POLL_S`
    seconds, :meth:`poll` says what came of those put aside.
    """

    def __init__(self) -> None:
        self._jobs: dict[Path, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def look(self, job: Job) -> Job | Mapping[str, Any] | None:
        """Return the job if it can be carried out now, its result if another command did.

        Otherwise another process works on it, or trains the stage that it begins with: it is put
        aside, and ``None`` returned. A job that came back as ``claimed`` is looked at again by the
        same call.
        """
        # The claim first: whoever gives it up has written the result before.
        owner, gone = find_owner(job.folder), None
        holder = None if owner is None or WATCH.sees_gone(owner) else owner
        if holder is None:
            holder, gone = find_trainer(job)
        if holder is not None:
            error = _stamp(RunFolder(job.folder).error)
            self._jobs.setdefault(job.folder, _Waiting(job, error, holder))
            return None
        folder = RunFolder(job.folder)
        before = self._jobs.pop(job.folder, None)
        if folder.done:
            folder.tidy()
            return read_json(folder.result) or {}
        if before is not None and _stamp(folder.error) not in (None, before.error):
            return read_json(folder.error) or {}  # it failed over there; once is enough
        return replace(
            job,
            abandoned=owner.key if owner else None,
            abandoned_stage=gone,
            abandoned_runs=gone_runs(job),
        )

    def poll(self) -> Iterator[tuple[Job, Job | Mapping[str, Any]]]:
        """Yield the jobs that need no more waiting, with what :meth:`look` says of them."""
        for waiting in list(self._jobs.values()):
            found = self.look(waiting.job)
            if found is not None:
                yield waiting.job, found

    def clear(self) -> None:
        """Wait for nothing any more."""
        self._jobs.clear()

    def describe(self) -> str:
        """Say who works on how many runs, in one sentence."""
        owners = Counter(_described(waiting.owner) for waiting in self._jobs.values())
        runs = "1 run" if len(self) == 1 else f"{len(self)} runs"
        who = ", ".join(f"{owner} ({n})" if n > 1 else owner for owner, n in owners.items())
        return f"waiting for {runs} that another command works on: {who}"


def execute_when_free(
    job: Job, report: Callable[[Mapping[str, Any]], None], should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """Carry out a run once nobody else does: one whose node was lost stays claimed for a while.

    For processes elsewhere, which see of a claim what the command does not. The arguments and what
    is returned are those of :func:`ltbench.training.run.execute`, but never ``claimed``.
    """
    from ltbench.training.run import execute

    waiting = Waiting()
    while not should_stop():
        found = waiting.look(job)
        if isinstance(found, Job):
            result = execute(found, report, should_stop)
            if result.get("status") != "claimed":
                return result
        elif found is not None:
            return dict(found)
        time.sleep(POLL_S)
    return {"status": "interrupted"}


def _described(owner: Owner) -> str:
    if owner.process is not None and owner.process.is_stopped():
        return f"{owner}, which is stopped (kill -CONT {owner.process.pid} wakes it)"
    return str(owner)


def _stamp(path: Path) -> Stamp:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_ino
