"""How a sweep goes, on whatever executor: what is queued, in progress, lost, stopped, finished."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ltbench.errors import Stopped
from ltbench.executors.base import ATTEMPTS, Executor, Observe
from ltbench.executors.first_stages import FirstStages
from ltbench.executors.overdue import Overdue
from ltbench.executors.signals import Interrupts, held_back
from ltbench.executors.waiting import POLL_S, Waiting
from ltbench.results.claim import Owner, acquire
from ltbench.results.folder import RunFolder
from ltbench.results.untrusted import read_json
from ltbench.training.job import Job

logger = logging.getLogger(__name__)

PATIENCE_S = 0.5
"""Seconds for which an executor may wait for news: so late, at most, is an interrupt seen."""


class Dispatcher:
    """Has an executor carry out jobs: each is started once, finished once, and never forgotten.

    A job waits in the queue, is looked at (another command may have it, or have done it), and is
    submitted. Then it is in progress until the executor says that it finished or was lost. A job
    that was lost goes back to the head of the queue, or is recorded as failed.

    Args:
        executor: carries them out.
        jobs: runs that were not done when the sweep began.
        observe: told of everything that happens to a job.
    """

    def __init__(self, executor: Executor, jobs: Sequence[Job], observe: Observe) -> None:
        self.executor, self.overdue = executor, Overdue(executor.say)
        self.tell = observe
        # Those that are not finished.
        self.jobs = {job.folder: job for job in sorted(jobs, key=lambda job: -job.cost)}
        self.first_stages = FirstStages(list(self.jobs.values()))
        self.queue: deque[Job] = deque()
        self.in_progress: set[Path] = set()
        self.started: set[Path] = set()
        self.waiting = Waiting()
        self.again_at: dict[Path, float] = {}  # of those that came back as claimed
        self.losses: Counter[tuple[Path, str]] = Counter()
        # What to record, of those that were lost too often or whose first stage diverged elsewhere.
        self.failed: dict[Path, dict[str, Any]] = {}
        self.interrupts = Interrupts()
        self.stopping = self.said_waiting = False
        self.look_at = 0.0

    def run(self) -> None:
        """Return when all jobs are finished.

        Raises:
            Stopped: by an interrupt; what was in progress has written checkpoints. A second one
                ends what is in progress at once, and it goes on from its last checkpoint.
        """
        with self.interrupts.caught(), self.overdue:
            try:
                with self.interrupts.waiting(), self.overdue.waiting_for("the executor to open"):
                    adopted = self.executor.open(list(self.jobs.values()))
                self.interrupts.catch()
                self.in_progress.update(job.folder for job in adopted)
                left = (job for job in self.jobs.values() if job.folder not in self.in_progress)
                self.queue += self.first_stages.ordered(left)
                while self.queue or self.in_progress or self.waiting:
                    self._turn()
            except KeyboardInterrupt:
                self.stopping = True
            finally:
                with held_back(), self.overdue.waiting_for("the executor to end what it began"):
                    self.executor.close()
        if self.stopping:
            raise Stopped

    def _turn(self) -> None:
        if self.interrupts.count and not self.stopping:
            self._stop()
        self._submit()
        for job, event in self._news():
            self._take(job, event)
        self._look_again()

    def _stop(self) -> None:
        self.stopping = True
        self.queue.clear()
        self.waiting.clear()
        for job, event in self._news():  # some may have begun just now
            self._take(job, event)
        if self.in_progress:
            running = len(self.in_progress & self.started)
            checkpoints = "1 run writes its" if running == 1 else f"{running} runs write their"
            what = f": {checkpoints} checkpoint" if running else ""
            self.executor.say(f"stopping{what}; Ctrl-C again stops at once")
        with held_back(), self.overdue.waiting_for("the executor to stop the runs"):
            self.executor.stop()
        for folder in self.started & self.jobs.keys() - self.in_progress:
            self._finish(self.jobs[folder], {"status": "interrupted"})  # before a further attempt

    def _submit(self) -> None:
        """Submit as many jobs as the executor takes, each after a look at who has it."""
        ready: list[Job] = []
        held: list[Job] = []
        capacity = self.executor.capacity() if self.queue else 0
        while self.queue and len(ready) < capacity and not self.interrupts.count:
            job = self.queue.popleft()
            if self.first_stages.hold(job):
                held.append(job)
                continue
            found = self.waiting.look(job)
            if isinstance(found, Job) and job.folder in self.failed:
                self._returned(job, record_lost(found, **self.failed[job.folder]))
            elif isinstance(found, Job) and time.monotonic() < self.again_at.get(job.folder, 0.0):
                held.append(job)  # its process sees an owner where we see none
            elif isinstance(found, Job):
                ready.append(found)
            elif found is not None:
                self._finish(job, found)
        self.queue.extendleft(reversed(held))
        if self.interrupts.count:
            self.queue.extendleft(ready)  # to be stopped with the others
        elif ready:
            with held_back(), self.overdue.waiting_for("the executor to start runs"):
                self.executor.submit(ready)
            self.in_progress.update(job.folder for job in ready)

    def _news(self) -> list[tuple[Job, Mapping[str, Any]]]:
        """Return what happened, after a while at most."""
        if not self.in_progress and self.waiting and not self.said_waiting:
            self.said_waiting = True
            self.executor.say(self.waiting.describe())
        end = time.monotonic() + PATIENCE_S
        with self.interrupts.waiting():
            with self.overdue.waiting_for("the executor to tell how the runs are"):
                news = list(self.executor.poll(PATIENCE_S)) if self.in_progress else []
            if not news and (self.in_progress or self.waiting or self.queue):
                time.sleep(max(0.0, end - time.monotonic()))
        return news

    def _look_again(self) -> None:
        """See what came of the jobs that other commands have."""
        if not self.waiting or time.monotonic() < self.look_at:
            return
        self.look_at = time.monotonic() + POLL_S
        for job, found in self.waiting.poll():
            if isinstance(found, Job):
                self.queue.appendleft(job)
            else:
                self._finish(job, found)

    def _take(self, job: Job, event: Mapping[str, Any]) -> None:
        """Take in what the executor says of a job."""
        if job.folder not in self.in_progress:
            return  # of an attempt that was given up
        job = self.jobs[job.folder]
        match event["event"]:
            case "lost":
                self._lost(job, event)
                return
            case "notice":
                self.executor.say(f"{_name(job)}: {event['sentence']}")
                return
            case "alive":
                return
        self._start(job)
        if event["event"] == "finished":
            self._returned(job, event["result"])
        elif event["event"] != "started":
            self.observe(job, event)

    def _returned(self, job: Job, result: Mapping[str, Any]) -> None:
        self.in_progress.discard(job.folder)
        status = result.get("status")
        if self.stopping and status == "claimed":
            self._finish(job, {"status": "interrupted"})
        elif status == "claimed":
            self.again_at[job.folder] = time.monotonic() + POLL_S
            self.queue.appendleft(job)  # the next look at it has it wait
        elif status == "interrupted" and not self.stopping:
            self._lost(job, {"what": "it was told to stop", "cause": "by a signal"})
        else:
            self._finish(job, result)

    def _lost(self, job: Job, event: Mapping[str, Any]) -> None:
        """Have a run tried again, or record it as failed if it was lost often enough."""
        self.in_progress.discard(job.folder)
        what, cause = event["what"], f" ({event['cause']})" if event.get("cause") else ""
        self.losses[job.folder, what] += 1
        times, attempts = self.losses[job.folder, what], event.get("attempts", ATTEMPTS)
        logger.info("%s: %s%s; attempt %d of %d", job.folder, what, cause, times, attempts)
        if self.stopping:
            self._finish(job, {"status": "interrupted"})
        elif times < attempts:
            self.executor.say(f"{_name(job)}: {what}{cause}; it is tried once more")
            self.queue.appendleft(job)
        else:
            often = {1: "", 2: " twice"}.get(times, f" {times} times")
            advice = f"; {event['advice']}" if event.get("advice") else ""
            self.failed[job.folder] = {"sentence": f"{what}{often}{cause}{advice}"}
            self._returned(job, record_lost(job, **self.failed[job.folder]))

    def observe(self, job: Job, event: Mapping[str, Any]) -> None:
        """Tell whoever watches the sweep."""
        with self.overdue.waiting_for("the observers"):
            self.tell(job, event)

    def _start(self, job: Job) -> None:
        if job.folder not in self.started:  # not anew when it is tried once more
            self.started.add(job.folder)
            self.observe(job, {"event": "started"})

    def _finish(self, job: Job, result: Mapping[str, Any]) -> None:
        self._start(job)
        del self.jobs[job.folder]
        for other in self.first_stages.sharing(job, result):
            if other.folder in self.jobs and other.folder not in self.in_progress:
                self.failed[other.folder] = {
                    "sentence": f"its first stage is that of {_name(job)}: {result.get('error')}",
                    "status": "diverged",
                    "step": result.get("step"),
                }
        self.first_stages.ended(job)
        self.observe(job, {"event": "finished", "result": result})


def _name(job: Job) -> str:
    spec = job.spec
    return f"{spec.label} on {spec.dataset_name}{spec.apart} seed {spec.seed}"


def record_lost(
    job: Job, sentence: str, status: str = "failed", step: int | None = None
) -> dict[str, Any]:
    """Record that a run failed with no process at work on it, and return ``error.json``'s content.

    Nothing is recorded if the run is done, or if another command took it over meanwhile; the
    outcome is then that of :func:`ltbench.training.run.execute`.

    Args:
        job: the run; its process is gone, or there was none.
        sentence: why.
        status: ``failed`` or ``diverged``.
        step: of its first stage, where it is known.
    """
    from ltbench.training.run import claimed

    stage = job.spec.algorithm.title
    error = {"status": status, "error": sentence, "traceback": "", "stage": stage, "step": step}
    with contextlib.suppress(OSError):  # on a full disk the observers still hear of it
        job.folder.mkdir(parents=True, exist_ok=True)
        claim = acquire(job.folder, job.abandoned)
        if isinstance(claim, Owner):
            return claimed(claim)
        with claim:
            folder = RunFolder(job.folder, claim.check)
            if folder.done:  # it died between its result and its farewell
                return read_json(folder.result) or {}
            folder.fail(error)
    return error
