"""An object in a process of its own, whose calls nobody waits for.

What talks to a network may take for ever, ask for a lock, or leave threads that keep a program from
ending; none of that may hold up a sweep.
"""

from __future__ import annotations

import multiprocessing
import queue
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Protocol

from ltbench.api import LtbenchError


class Closable(Protocol):
    """What can live in the process: it is closed when all calls are done."""

    def close(self) -> None:
        """Finish what is open."""


class CallError(LtbenchError):
    """A call failed in the other process; the message is the error's."""


class ChildProcess:
    """Makes calls of one object in another process, in their order.

    Args:
        make: builds the object; it goes to the other process, so it is a module's function.
    """

    def __init__(self, make: Callable[[], Closable]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make), daemon=True)
        self._process.start()
        theirs.close()

    def call(self, method: str, *arguments: Any) -> None:
        """Have a method called.

        Raises:
            CallError: a call before this one failed, and this one is made all the same; or the
                process is gone.
        """
        try:
            self._pipe.send((method, arguments))
            failure = self._pipe.recv() if self._pipe.poll() else None
        except (EOFError, OSError) as error:
            raise self._death() or CallError("its process ended") from error
        if failure is not None:
            raise CallError(failure)

    def close(self, seconds: float) -> bool:
        """Wait until all calls are done and the process ends; false where that takes longer.

        Ctrl-C ends the waiting.

        Raises:
            CallError: a call failed, or the process is gone.
        """
        failures: list[str] = []
        try:
            self._pipe.send(None)
            until = time.monotonic() + seconds
            while self._pipe.poll(max(0.0, until - time.monotonic())):
                failures.append(self._pipe.recv())
            in_time = False
        except (EOFError, OSError) as error:  # the other end is closed
            if death := self._death():
                raise death from error
            in_time = True
        except KeyboardInterrupt:
            return False
        finally:
            self._process.kill()
            self._process.join()
            self._pipe.close()
        if failures:
            raise CallError(failures[0])
        return in_time

    def _death(self) -> CallError | None:
        """Return what the process died of, if it did not simply end."""
        self._process.join(5)
        code = self._process.exitcode
        return CallError(f"its process died (exit code {code})") if code != 0 else None


def _serve(pipe: Connection, make: Callable[[], Closable]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which says what ends
    calls: queue.SimpleQueue[tuple[str, tuple[Any, ...]] | None] = queue.SimpleQueue()
    # Read at once whatever the object does, for a full pipe would make the parent wait.
    threading.Thread(target=_read, args=(pipe, calls), daemon=True).start()
    thing: Closable | None = None
    while (call := calls.get()) is not None:
        method, arguments = call
        try:
            thing = thing or make()
            getattr(thing, method)(*arguments)
        except Exception as error:
            _say(pipe, error)
    try:
        if thing is not None:
            thing.close()
    except Exception as error:
        _say(pipe, error)


def _read(pipe: Connection, calls: queue.SimpleQueue[Any]) -> None:
    call: Any = ()
    while call is not None:
        try:
            call = pipe.recv()
        except (EOFError, OSError):  # the parent is gone
            call = None
        calls.put(call)


def _say(pipe: Connection, error: Exception) -> None:
    try:
        pipe.send(f"{type(error).__name__}: {error}")
    except OSError:
        return  # nobody is there to hear it
