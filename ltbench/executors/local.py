"""Runs on this machine, in worker processes that stay up from one run to the next."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.synchronize import Event
from typing import Any

from ltbench.executors.base import Executor, Observe, Stopped
from ltbench.executors.worker import work
from ltbench.results.folder import RunFolder
from ltbench.training.job import Job


class LocalExecutor(Executor):
    """One worker process per slot; each interprets and imports once, however many runs it does."""

    def run(self, jobs: Sequence[Job], observe: Observe) -> None:
        """Carry out the jobs, in their order, on the slots of this machine.

        Raises:
            Stopped: Ctrl-C; running jobs have written their checkpoints. A second Ctrl-C kills
                the workers, whose runs go on from their last checkpoint.
        """
        context = multiprocessing.get_context("spawn")
        stop = context.Event()
        waiting = deque(jobs)
        devices = self.slots.devices[: len(jobs)]
        workers = [_Worker(context, stop, device) for device in devices]
        try:
            for worker in workers:
                worker.take_next(waiting, observe)
            _serve(workers, waiting, observe)
        except KeyboardInterrupt:
            stop.set()
            waiting.clear()
            _serve(workers, waiting, observe)
            raise Stopped from None
        finally:
            for worker in workers:
                worker.close()


class _Worker:
    """A worker process and the job it has."""

    def __init__(self, context: SpawnContext, stop: Event, device: str) -> None:
        self.context, self.stop, self.device = context, stop, device
        self.job: Job | None = None
        self.pipe: Connection
        self.process: SpawnProcess
        self._start()

    def _start(self) -> None:
        self.pipe, theirs = self.context.Pipe()
        self.process = self.context.Process(
            target=work, args=(theirs, self.stop, os.getpid()), daemon=True
        )
        self.process.start()
        theirs.close()

    def take_next(self, waiting: deque[Job], observe: Observe) -> None:
        """Send the next job to the process, if there is one."""
        self.job = None
        if waiting:
            self.job = replace(waiting.popleft(), device=self.device)
            self.pipe.send(self.job)
            observe(self.job, {"event": "started"})

    def receive(self, waiting: deque[Job], observe: Observe) -> None:
        """Pass on what the process says; one that died costs its own run only."""
        assert self.job is not None
        try:
            event = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            observe(self.job, {"event": "finished", "result": self._bury(self.job)})
            self._start()
            self.take_next(waiting, observe)
            return
        observe(self.job, event)
        if event["event"] == "finished":
            self.take_next(waiting, observe)

    def _bury(self, job: Job) -> dict[str, Any]:
        self.process.join()
        code = self.process.exitcode or 0
        cause = f"signal {-code}" if code < 0 else f"exit code {code}"
        error = {
            "status": "failed",
            "error": f"the worker process died ({cause}); out of memory is the usual reason",
            "traceback": "",
            "stage": job.spec.algorithm.name,
            "step": None,
        }
        with contextlib.suppress(OSError):  # on a full disk the observers still hear of it
            RunFolder(job.folder).fail(error)
        return error

    def close(self) -> None:
        """End the process."""
        self.pipe.close()
        if self.job is not None:
            self.process.kill()
        self.process.join()


def _serve(workers: Sequence[_Worker], waiting: deque[Job], observe: Observe) -> None:
    """Pass events on until no worker has a job."""
    while busy := {worker.pipe: worker for worker in workers if worker.job is not None}:
        for pipe in wait(list(busy)):
            busy[pipe].receive(waiting, observe)  # type: ignore[index]
