"""A worker: a process on this machine that carries out one run after another."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from typing import Any

from ltbench.executors.base import GRACE_S
from ltbench.executors.signals import stop_on_signals
from ltbench.training.job import Job


class Worker:
    """The process, as the command sees it.

    Args:
        context: starts it.
        device: what it computes on.

    Attributes:
        pipe: becomes readable when the worker has something to say, or is gone.
        job: the run in progress.
        kill_at: when the worker counts as hung, by ``time.monotonic``.
    """

    def __init__(self, context: SpawnContext, device: str) -> None:
        self.device = device
        self.job: Job | None = None
        self.kill_at = math.inf
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, os.getpid()), daemon=True)
        self.process.start()
        theirs.close()

    def give(self, job: Job) -> None:
        """Send it a job."""
        self.job = replace(job, device=self.device)
        self._begin_countdown(self.job)
        with contextlib.suppress(OSError):  # it died just now, which the pipe tells as well
            self.pipe.send(self.job)

    def receive(self) -> Mapping[str, Any]:
        """Return the next event of its job, and forget the job with the last."""
        assert self.job is not None
        try:
            event: Mapping[str, Any] = self.pipe.recv()
        except (EOFError, OSError):
            event = self._death(self.job)
        if event["event"] == "started":
            self._begin_countdown(self.job)
        elif event["event"] in ("finished", "lost"):
            self.job = None
        return event

    def kill_if_hung(self) -> None:
        """Kill the process if its run is long over its time."""
        if time.monotonic() > self.kill_at:
            self.process.kill()

    def dismiss(self) -> None:
        """Have the process end, at once if it has a job."""
        self.pipe.close()
        if self.job is not None:
            self.process.kill()

    def end(self) -> None:
        """Wait until the process is gone."""
        self.pipe.close()
        self.process.join()
        self.process.close()

    def _begin_countdown(self, job: Job) -> None:
        timeout = math.inf if job.timeout is None else job.timeout
        self.kill_at = time.monotonic() + timeout + GRACE_S

    def _death(self, job: Job) -> Mapping[str, Any]:
        """Say of what it died; what hangs would hang again."""
        self.process.join()
        code = self.process.exitcode or 0
        if time.monotonic() > self.kill_at:
            what = f"hung: it had not stopped long after its --timeout of {job.timeout:g} s"
            return {"event": "lost", "what": what, "attempts": 1}
        cause = f"signal {-code}" if code < 0 else f"exit code {code}"
        advice = "out of memory is the usual reason"
        return {"event": "lost", "what": "its worker died", "cause": cause, "advice": advice}


def work(pipe: Connection, parent: int) -> None:
    """Carry out jobs until the pipe closes, a signal says to stop or the parent is gone.

    Args:
        pipe: brings jobs and takes events.
        parent: the process that started this one; without it nobody reads the results.
    """
    # Nothing that processes share says that they are to stop: one killed while it holds a lock on
    # it would stop all the others.
    asked = stop_on_signals()

    from ltbench.printable import guard_streams
    from ltbench.training.run import execute

    guard_streams()  # what a plugin prints ends on the terminal of whoever started the sweep

    def should_stop() -> bool:
        return asked() or os.getppid() != parent

    def report(event: Mapping[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):
            pipe.send(event)

    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while not asked():
            result = execute(pipe.recv(), report, should_stop)
            pipe.send({"event": "finished", "result": result})
