"""The worker process: takes jobs from a pipe, one after another."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Any


def work(pipe: Connection, stop: Event, parent: int) -> None:
    """Carry out jobs until the pipe closes, the sweep stops or the parent is gone.

    Args:
        pipe: brings jobs and takes events.
        stop: set when running jobs shall write a checkpoint and return.
        parent: the process that started this one; without it nobody reads the results.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which sets ``stop``

    from ltbench.training.run import execute

    def should_stop() -> bool:
        return stop.is_set() or os.getppid() != parent

    def report(event: Mapping[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):
            pipe.send(event)

    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while (job := pipe.recv()) is not None:
            result = execute(job, report, should_stop)
            pipe.send({"event": "finished", "result": result})
