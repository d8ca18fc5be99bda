"""Runs on this machine, in worker processes that stay up from one run to the next."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import Any

from ltbench.executors.base import Executor
from ltbench.executors.worker import Worker
from ltbench.training.job import Job


class LocalExecutor(Executor):
    """A worker process for each slot; it interprets and imports once, however many runs it does."""

    workers: Sequence[Worker] = ()

    def open(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Take as many slots as there are jobs; a worker is started with its first job."""
        self.free = list(self.slots.devices[: len(jobs)])  # devices of slots without a worker
        # Python's tracker of resources lets interrupts through when it starts, so not later.
        resource_tracker.ensure_running()
        return ()

    def capacity(self) -> int:
        """Return how many slots have no job."""
        return len(self.free) + len(self.workers) - len(self._busy())

    def submit(self, jobs: Sequence[Job]) -> None:
        """Give each job to a worker without one, or to a new one if there is none such."""
        idle = [worker for worker in self.workers if worker.job is None]
        self._end([worker for worker in idle if not worker.process.is_alive()])
        idle = [worker for worker in self.workers if worker in idle]
        context = multiprocessing.get_context("spawn")
        new = [Worker(context, self.free.pop(0)) for _ in jobs[len(idle) :]]
        self.workers = [*self.workers, *new]
        for worker, job in zip([*idle, *new], jobs, strict=False):
            worker.give(job)

    def poll(self, seconds: float) -> Iterator[tuple[Job, Mapping[str, Any]]]:
        """Yield what the workers say, and kill those that hang."""
        busy = {worker.pipe: worker for worker in self._busy()}
        for pipe in wait(list(busy), seconds):
            worker = busy[pipe]  # type: ignore[index]
            if worker.job is not None:
                yield worker.job, worker.receive()
        for worker in self._busy():
            worker.kill_if_hung()

    def stop(self) -> None:
        """Have the workers write checkpoints and return."""
        for worker in self._busy():
            worker.process.terminate()

    def close(self) -> None:
        """End the workers: those that have a job are killed."""
        for worker in self.workers:
            worker.dismiss()
        self._end(self.workers)

    def _busy(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.job is not None]

    def _end(self, workers: Sequence[Worker]) -> None:
        """Wait until workers are gone, and free their slots."""
        for worker in workers:
            worker.end()
            self.free.append(worker.device)
        self.workers = [worker for worker in self.workers if worker not in workers]
