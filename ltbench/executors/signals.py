"""Signals that ask a process to stop, turned into something that its loop can look at."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Self

STOPPING = (signal.SIGTERM, signal.SIGUSR1)
"""What clusters send before they take a machine away."""


def stop_on_signals() -> Callable[[], bool]:
    """Have SIGTERM and SIGUSR1 ask for a stop, and return a function that says whether they did.

    For a process that calls :func:`ltbench.training.run.execute`; call it in the main thread.
    """
    asked = threading.Event()
    for number in STOPPING:
        signal.signal(number, lambda *_: asked.set())
    return asked.is_set


class Interrupts:
    """Ctrl-C and SIGTERM while a sweep runs, counted; the second raises ``KeyboardInterrupt``.

    A handler that only counts cannot tear a message in two, as an exception out of nowhere can.
    Whatever waits on :meth:`fileno` wakes up. After the second, further ones change nothing. In
    another thread than the main one, and where the shell has the process ignore Ctrl-C, nothing
    is caught.
    """

    def __init__(self) -> None:
        self.count = 0
        self._before: dict[int, object] = {}
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def fileno(self) -> int:
        """Return what becomes readable at the first."""
        return self._reader

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        os.close(self._reader)
        os.close(self._writer)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        with contextlib.suppress(OSError):
            os.write(self._writer, b"!")
        if self.count == 2:
            raise KeyboardInterrupt


@contextlib.contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Hold Ctrl-C back while a process is started, which then never sees one.

    The terminal sends it to the whole group of processes, and one that is just importing its
    modules would die of it with a traceback.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
