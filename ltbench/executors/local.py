"""Runs on this machine, in worker processes that stay up from one run to the next."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from ltbench.executors.base import Executor, Observe, Stopped
from ltbench.executors.burial import bury
from ltbench.executors.signals import Interrupts
from ltbench.executors.slot import Slot, WorkerDied
from ltbench.executors.waiting import POLL_S, Waiting
from ltbench.training.job import Job

ATTEMPTS = 2
"""How often a run is tried whose worker dies."""


class LocalExecutor(Executor):
    """One worker process per slot; each interprets and imports once, however many runs it does."""

    def run(self, jobs: Sequence[Job], observe: Observe) -> None:
        """Carry out the jobs, the longest first, on the slots of this machine.

        Raises:
            Stopped: Ctrl-C; running jobs have written their checkpoints. A second Ctrl-C kills
                the workers, whose runs go on from their last checkpoint.
        """
        context = multiprocessing.get_context("spawn")
        slots = [Slot(context, device) for device in self.slots.devices[: len(jobs)]]
        with Interrupts() as interrupts:
            try:
                _Sweep(self, slots, jobs, observe).serve(interrupts)
            except KeyboardInterrupt:
                raise Stopped from None
            finally:
                for slot in slots:
                    slot.dismiss()
                for slot in slots:
                    slot.end()


class _Sweep:
    """The state of one call of :meth:`LocalExecutor.run`."""

    def __init__(
        self, executor: Executor, slots: Sequence[Slot], jobs: Sequence[Job], observe: Observe
    ) -> None:
        self.say, self.slots, self.observe = executor.say, slots, observe
        self.queue = deque(sorted(jobs, key=lambda job: -job.cost))
        self.waiting = Waiting()
        self.deaths: Counter[Path] = Counter()
        self.started: set[Path] = set()
        self.stopping = self.said_waiting = False
        self.poll_at = 0.0

    def serve(self, interrupts: Interrupts) -> None:
        """Hand out jobs and pass events on until all is done, or stopped.

        Raises:
            Stopped: the user asked for it.
        """
        while True:
            if interrupts.count and not self.stopping:
                self._stop()
            self._hand_out()
            busy = {slot.pipe: slot for slot in self.slots if slot.job is not None}
            if not busy and not self.waiting:
                break
            if not busy and not self.said_waiting:
                self.said_waiting = True
                self.say(self.waiting.describe())
            # Once it is stopping, an interrupt is no news that anybody waits for.
            news = [] if self.stopping else [interrupts.fileno()]
            for pipe in wait([*busy, *news], self._patience()):
                if pipe in busy:
                    self._receive(busy[pipe])
            for slot in busy.values():
                slot.kill_if_hung()
            self._poll()
        if self.stopping:
            raise Stopped

    def _stop(self) -> None:
        self.stopping = True
        self.queue.clear()
        self.waiting.clear()
        busy = [slot for slot in self.slots if slot.job is not None]
        if busy:
            runs = "1 run writes its" if len(busy) == 1 else f"{len(busy)} runs write their"
            self.say(f"stopping: {runs} checkpoint; Ctrl-C again stops at once")
        for slot in busy:
            slot.ask_to_stop()

    def _hand_out(self) -> None:
        for slot in self.slots:
            while slot.job is None and self.queue:
                job = self.queue.popleft()
                found = self.waiting.look(job)
                if isinstance(found, Job):
                    slot.give(found)
                elif found is not None:
                    self._finish(job, found)

    def _patience(self) -> float | None:
        """Return for how many seconds nothing but a worker's news needs attention."""
        times = [slot.kill_at for slot in self.slots if slot.job and slot.kill_at is not None]
        if self.waiting:
            times.append(self.poll_at)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _poll(self) -> None:
        if not self.waiting or time.monotonic() < self.poll_at:
            return
        self.poll_at = time.monotonic() + POLL_S
        for job, found in self.waiting.poll():
            if isinstance(found, Job):
                self.queue.appendleft(job)
            else:
                self._finish(job, found)

    def _receive(self, slot: Slot) -> None:
        job = slot.job
        assert job is not None
        try:
            event = slot.receive()
        except WorkerDied as death:
            slot.job = None
            self._lost(job, str(death), hung=slot.hung)
            return
        if event["event"] == "finished":
            slot.job = None
            self._returned(job, event["result"])
        elif event["event"] == "started":
            self._start(job)
        else:
            self.observe(job, event)

    def _returned(self, job: Job, result: Mapping[str, Any]) -> None:
        status = result.get("status")
        if status == "claimed" and not self.stopping:
            self.queue.appendleft(job)  # the next look at it puts it aside
        elif status == "interrupted" and not self.stopping:
            self._lost(job, "told to stop by a signal", hung=False)
        else:
            self._finish(job, result if status != "claimed" else {"status": "interrupted"})

    def _lost(self, job: Job, cause: str, *, hung: bool) -> None:
        """A run has lost its worker: it is tried once more, unless it had hung."""
        self.deaths[job.folder] += 1
        name = f"{job.spec.label} on {job.spec.dataset.name} seed {job.spec.seed}"
        if self.stopping:
            self._finish(job, {"status": "interrupted"})
        elif hung:
            timeout = f"{job.timeout:g} s" if job.timeout is not None else "its time"
            self._bury(job, f"hung: it had not stopped long after its --timeout of {timeout}")
        elif self.deaths[job.folder] < ATTEMPTS:
            self.say(f"{name}: its worker died ({cause}); it is tried once more")
            self.queue.appendleft(job)
        else:
            many = f"{ATTEMPTS} times" if ATTEMPTS != 2 else "twice"
            self._bury(job, f"the worker died {many} ({cause}); out of memory is the usual reason")

    def _bury(self, job: Job, sentence: str) -> None:
        self._returned(job, bury(job, sentence))

    def _start(self, job: Job) -> None:
        if job.folder not in self.started:  # not anew when it is tried once more
            self.started.add(job.folder)
            self.observe(job, {"event": "started"})

    def _finish(self, job: Job, result: Mapping[str, Any]) -> None:
        self._start(job)
        self.observe(job, {"event": "finished", "result": result})
