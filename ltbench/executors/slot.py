"""A slot of this machine: a device, the worker process that computes on it, and the job it has."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from ltbench.executors.base import GRACE_S
from ltbench.executors.signals import interrupts_held_back
from ltbench.executors.worker import work
from ltbench.training.job import Job


class WorkerDied(Exception):
    """The worker is gone; the message says of what."""


class Slot:
    """One run at a time.

    Attributes:
        job: the run in progress.
        kill_at: when the worker counts as hung, by ``time.monotonic``.
    """

    def __init__(self, context: SpawnContext, device: str) -> None:
        self.context, self.device = context, device
        self.job: Job | None = None
        self.kill_at: float | None = None
        self.hung = False
        self._pipe: Connection | None = None
        self._process: SpawnProcess | None = None

    @property
    def pipe(self) -> Connection:
        """What becomes readable when the worker has something to say, or is gone."""
        assert self._pipe is not None
        return self._pipe

    def give(self, job: Job) -> None:
        """Send a job to the worker; it is started now if it never was, or has died."""
        self.job = replace(job, device=self.device)
        try:
            if self._process is None:
                self._start()
            self.pipe.send(self.job)
        except (BrokenPipeError, ConnectionResetError):  # it died with nothing to do
            self.end()
            self._start()
            self.pipe.send(self.job)
        self.begin_countdown()

    def receive(self) -> Mapping[str, Any]:
        """Return the next event.

        Raises:
            WorkerDied: there will be none.
        """
        try:
            event: Mapping[str, Any] = self.pipe.recv()
        except (EOFError, OSError):
            assert self._process is not None
            self._process.join()
            code = self._process.exitcode or 0
            self.end()
            raise WorkerDied(f"signal {-code}" if code < 0 else f"exit code {code}") from None
        if event["event"] == "started":
            self.begin_countdown()
        return event

    def begin_countdown(self) -> None:
        """Count the job's time from now."""
        assert self.job is not None
        self.hung = False
        timeout = self.job.timeout
        self.kill_at = None if timeout is None else time.monotonic() + timeout + GRACE_S

    def kill_if_hung(self) -> None:
        """Kill the worker if its run is long over its time."""
        if self.kill_at is not None and time.monotonic() > self.kill_at and self._process:
            self.hung, self.kill_at = True, None
            self._process.kill()

    def ask_to_stop(self) -> None:
        """Have the worker write a checkpoint and return."""
        if self._process is not None:
            self._process.terminate()

    def dismiss(self) -> None:
        """Have the worker end, at once if it has a job."""
        if self._process is not None:
            self.pipe.close()
            if self.job is not None:
                self._process.kill()

    def end(self) -> None:
        """End the worker and wait until it is gone."""
        if self._process is None:
            return
        self.dismiss()
        self._process.join()
        self._process.close()
        self._process = self._pipe = None

    def _start(self) -> None:
        # The tracker's own start would let Ctrl-C through again.
        resource_tracker.ensure_running()
        with interrupts_held_back():
            self._pipe, theirs = self.context.Pipe()
            self._process = self.context.Process(
                target=work, args=(theirs, os.getpid()), daemon=True
            )
            self._process.start()
            theirs.close()
