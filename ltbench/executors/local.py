"""Runs on this machine, in worker processes that stay up from one run to the next."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from socket import socket
from typing import Any

from ltbench.executors.base import Executor
from ltbench.executors.components import whose
from ltbench.executors.leftovers import marked
from ltbench.executors.nursery import Nursery, Process, is_possible, ready_nursery
from ltbench.executors.work import work
from ltbench.executors.worker import END_S, Worker
from ltbench.training.job import Job


class LocalExecutor(Executor):
    """A worker process for each slot; it interprets and imports once, however many runs it does.

    Workers share their start (:mod:`ltbench.executors.nursery`). A run that changed its process for
    the runs after it, or lost the device, is the last there.
    """

    workers: Sequence[Worker] = ()
    nursery: Nursery | None = None

    def open(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Take as many slots as there are jobs; a worker is started with its first job."""
        self.free = list(self.slots.devices[: len(jobs)])  # devices of slots without a worker
        self.told: set[str] = set()
        # Python's tracker of resources lets interrupts through when it starts, so not later.
        resource_tracker.ensure_running()
        return ()

    def capacity(self) -> int:
        """Return how many slots have no job."""
        return len(self.free) + len(self.workers) - len(self._busy())

    def submit(self, jobs: Sequence[Job]) -> None:
        """Give each job to a worker without one, or to a new one if there is none such."""
        idle = [worker for worker in self.workers if worker.job is None]
        self._end([w for w in idle if w.spent or not w.process.is_alive()])
        idle = [worker for worker in self.workers if worker in idle]
        new = [self._worker(self.free.pop(0)) for _ in jobs[len(idle) :]]
        self.workers = [*self.workers, *new]
        for worker, job in zip([*idle, *new], jobs, strict=False):
            worker.give(job)

    def poll(self, seconds: float) -> Iterator[tuple[Job, Mapping[str, Any]]]:
        """Yield what the workers say, and kill those that hang."""
        busy = self._busy()
        # The process too: one that it forked may hold the connection open when it is gone.
        wait([w.channel.fileno() for w in busy] + [w.process.sentinel for w in busy], seconds)
        for worker in busy:
            job = worker.job
            assert job is not None
            for event in worker.news():
                if "changed" in event:
                    self._tell_changed(job, event)
                yield job, event
            if sentence := worker.watch():
                hint = "; Ctrl-C stops the sweep" if job.timeout is None else ""
                self.say(f"{_name(job)}: {sentence}{hint}")

    def stop(self) -> None:
        """Have the workers write checkpoints and return."""
        for worker in self._busy():
            worker.stop()

    def close(self) -> None:
        """End the workers: those that have a job are killed."""
        for worker in self.workers:
            worker.dismiss()
        self._end(self.workers)
        if self.nursery is not None:
            self.nursery.close()

    def _worker(self, device: str) -> Worker:
        return Worker(self._forked if is_possible(device) else self._spawned, device)

    def _forked(self, end: socket) -> tuple[Process, str]:
        """Fork a process that works for the other end of a connection."""
        if self.nursery is not None:
            with contextlib.suppress(OSError):
                return self.nursery.fork(end)
            self.nursery.close()  # it was killed
        self.nursery = ready_nursery()
        return self.nursery.fork(end)

    def _spawned(self, end: socket) -> tuple[Process, str]:
        """Start such a process from scratch."""
        context = multiprocessing.get_context("spawn")
        with marked() as mark:
            process = context.Process(target=work, args=(end, os.getpid()), daemon=True)
            process.start()
        return process, mark

    def _busy(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.job is not None]

    def _end(self, workers: Sequence[Worker]) -> None:
        """Wait until workers are gone, but not for ever, and free their slots."""
        by = time.monotonic() + END_S
        for worker in workers:
            if not worker.end(by):
                self.say(f"process {worker.process.pid} does not end, though it was killed")
            self.free.append(worker.device)
        self.workers = [worker for worker in self.workers if worker not in workers]

    def _tell_changed(self, job: Job, event: Mapping[str, Any]) -> None:
        """Say why a worker is not used again, once for each plugin and reason."""
        if changed := event["changed"]:
            sentence = (
                f"{whose(job.spec)} changed what later runs in its process would meet: "
                f"{', '.join(changed)}; they get a new process"
            )
        else:
            sentence = f"{_name(job)} lost its device; later runs get a new process"
        if sentence not in self.told:
            self.told.add(sentence)
            self.say(sentence)


def _name(job: Job) -> str:
    spec = job.spec
    return f"{spec.label} on {spec.dataset_name}{spec.apart} seed {spec.seed}"
