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

LONGEST_TEXT = 2000
KILL_SECONDS = 5.0
"""For a process that was killed to be gone."""


class Closable(Protocol):
    """What can live in the process: it is closed when all calls are done."""

    def close(self) -> None:
        """Finish what is open."""


class CallError(LtbenchError):
    """A call failed in the other process; the message is the error's."""


class ChildProcess:
    """Makes calls of one object in another process, in their order.

    No method waits for that process, apart from :meth:`close`, which says for how long: it may be
    stopped, or be gone while a process that it started holds the pipe.

    Args:
        make: builds the object; it goes to the other process, so it is a module's function.
    """

    def __init__(self, make: Callable[[], Closable]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make), daemon=True)
        self._process.start()
        theirs.close()
        self._calls: queue.SimpleQueue[tuple[str, tuple[Any, ...]] | None] = queue.SimpleQueue()
        self._failures: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._send, daemon=True).start()

    def call(self, method: str, *arguments: Any) -> None:
        """Have a method called.

        Raises:
            CallError: a call before this one failed, and this one is made all the same; or the
                process is gone.
        """
        if not self._process.is_alive():
            raise self._death() or CallError("its process ended")
        self._calls.put((method, arguments))
        if failure := self._failure():
            raise CallError(failure)

    def close(self, seconds: float) -> bool:
        """Wait until all calls are done and the process ends; false where that takes longer.

        Ctrl-C ends the waiting.

        Raises:
            CallError: a call failed, or the process is gone.
        """
        self._calls.put(None)
        try:
            in_time = self._ends_within(seconds)
        except KeyboardInterrupt:
            return False
        finally:
            self._process.kill()
            self._ends_within(KILL_SECONDS)
            failure = self._failure()
            self._pipe.close()
        if in_time and (death := self._death()):
            raise death
        if failure:
            raise CallError(failure)
        return in_time

    def _ends_within(self, seconds: float) -> bool:
        """Wait for the process; not by ``join``, which waits for what it forked as well."""
        until = time.monotonic() + seconds
        while self._process.is_alive():
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True

    def _death(self) -> CallError | None:
        """Return what the process died of, if it did not simply end."""
        code = self._process.exitcode
        return CallError(f"its process died (exit code {code})") if code != 0 else None

    def _failure(self) -> str | None:
        if not self._failures.empty():
            return self._failures.get()
        try:
            return str(self._pipe.recv()) if self._pipe.poll() else None
        except (EOFError, OSError):
            return None

    def _send(self) -> None:
        call: Any = ()
        while call is not None:
            call = self._calls.get()
            try:
                self._pipe.send(call)
            except OSError:
                return  # it is gone, which the next call says
            except Exception as error:  # what cannot be pickled
                self._failures.put(f"{type(error).__name__}: {error}")


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
        # Short, so that it arrives whole or not at all.
        pipe.send(f"{type(error).__name__}: {error}"[:LONGEST_TEXT])
    except OSError:
        return  # nobody is there to hear it
