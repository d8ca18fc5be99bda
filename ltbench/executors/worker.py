"""The worker process: takes jobs from a pipe, one after another."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any


def work(pipe: Connection, parent: int) -> None:
    """Carry out jobs until the pipe closes, a signal says to stop or the parent is gone.

    Args:
        pipe: brings jobs and takes events.
        parent: the process that started this one; without it nobody reads the results.
    """
    # Ctrl-C reaches the parent, which then sends SIGTERM. Nothing that processes share says so: one
    # killed while it holds a lock on it would stop all the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    from ltbench.executors.signals import stop_on_signals
    from ltbench.training.run import execute

    asked = stop_on_signals()

    def should_stop() -> bool:
        return asked() or os.getppid() != parent

    def report(event: Mapping[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):
            pipe.send(event)

    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while not asked():
            result = execute(pipe.recv(), report, should_stop)
            pipe.send({"event": "finished", "result": result})
