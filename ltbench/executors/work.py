"""What a worker process does: runs, until it is told to end or is no longer fit for the next."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import thread as pools
from typing import Any

from ltbench.executors.channel import Channel
from ltbench.executors.signals import stop_on_signals

LISTEN_S = 0.5
"""Seconds for which a worker waits for a job before it looks whether it was told to stop."""
DEAF = 76
"""The exit code of a process whose connection to the command was closed by something in it."""


def work(end: socket.socket, parent: int) -> None:
    """Carry out jobs until the connection closes, a signal says to stop or the parent is gone.

    It also ends after a run that changed what the next one would meet, or lost the device.

    Args:
        end: brings jobs and takes events.
        parent: the process that started this one; without it nobody reads the results.
    """
    # Nothing that processes share says that they are to stop: one killed while it holds a lock on
    # it would stop all the others.
    asked = stop_on_signals()
    channel, this = Channel(end), os.getpid()

    from ltbench.executors.process_state import ProcessState
    from ltbench.printable import guard_streams
    from ltbench.training.run import execute

    guard_streams()  # what a plugin prints ends on the terminal of whoever started the sweep

    def should_stop() -> bool:
        return asked() or os.getppid() != parent

    def report(event: Mapping[str, Any]) -> None:
        if os.getpid() == this:
            with contextlib.suppress(OSError):  # the run goes on; its result is on the disk then
                channel.send(event)

    state: ProcessState | None = None
    try:
        while not asked():
            # Python goes on to wait after a signal, so one that came just before is looked for.
            if not channel.has_arrived(LISTEN_S):
                continue
            job = channel.receive()
            state = state or ProcessState()
            result = execute(job, report, should_stop)
            if os.getpid() != this:
                os._exit(0)  # a child that a plugin forked came back from it
            finished: dict[str, Any] = {"event": "finished", "result": result}
            changed = state.changes()
            if changed or result.get("device_lost"):
                finished["changed"] = changed
            channel.send(finished)
            if "changed" in finished:
                break
    except EOFError:
        pass
    except OSError:
        if os.getppid() == parent:
            os._exit(DEAF)
    _leave()


def _leave() -> None:
    """End here where threads remain that Python would wait for, for ever."""
    # Those of pools end when Python asks them to.
    known = {threading.current_thread(), *getattr(pools, "_threads_queues", ())}
    if any(not thread.daemon and thread not in known for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(0)
