"""Interrupts: Ctrl-C and the signals that ask a process to stop, as something to look at."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

STOPPING = (signal.SIGTERM, signal.SIGUSR1)
"""What clusters send before they take a machine away."""
INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
"""What interrupts a command: Ctrl-C, and what ``kill`` sends."""


def stop_on_signals() -> Callable[[], bool]:
    """Have SIGTERM and SIGUSR1 ask for a stop, and return a function that says whether they did.

    For a process that calls :func:`ltbench.training.run.execute`; call it in the main thread. It
    ignores Ctrl-C from then on, which the terminal sends to every process of the command: what is
    to stop is the command's to say.
    """
    asked = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in STOPPING:
        signal.signal(number, lambda *_: asked.set())
    # Whoever started this process may have held them back meanwhile.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, *STOPPING})
    return asked.is_set


class Interrupts:
    """Interrupts while a sweep runs. They are counted, and tear nothing in two.

    The second raises ``KeyboardInterrupt``, but only in a block of :meth:`waiting`, or where the
    next one begins.

    Attributes:
        count: how many there were.
    """

    def __init__(self) -> None:
        self.count = 0
        self._waiting = False

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Count interrupts in this block.

        In another thread than the main one, and where the shell has the process ignore Ctrl-C,
        nothing is caught.
        """
        before = {number: signal.getsignal(number) for number in INTERRUPTS}
        self.catch()
        try:
            yield
        finally:
            if threading.current_thread() is threading.main_thread():
                for number, handler in before.items():
                    signal.signal(number, handler)

    def catch(self) -> None:
        """Count them from now on, also where a library has set handlers of its own."""
        if threading.current_thread() is threading.main_thread():
            for number in INTERRUPTS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, self._handle)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Have the second interrupt end this block by ``KeyboardInterrupt``."""
        self._waiting = True
        try:
            if self.count > 1:
                raise KeyboardInterrupt
            yield
        finally:
            self._waiting = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1 and self._waiting:
            self._waiting = False  # once; what follows it is not to be torn either
            raise KeyboardInterrupt


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Hold interrupts back, also from the processes that are started in this block.

    The terminal sends Ctrl-C to every process of the command. One that is just importing its
    modules would die of it with a traceback, and an ``sbatch`` would leave its jobs to nobody.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
