"""An end to what a session does, as if the user had pressed Ctrl-C then."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable

from ltbench.errors import Stopped


def ends_in_time(seconds: float, work: Callable[[], object]) -> bool:
    """Do something, and interrupt it when its time is over; runs then write their checkpoints.

    In another thread than the main one, which alone can be interrupted, it has all the time.

    Args:
        seconds: that it may take.
        work: what is to be done.

    Returns:
        Whether it ended by itself.

    Raises:
        Stopped, KeyboardInterrupt: the user interrupted it.
    """
    if threading.current_thread() is not threading.main_thread():
        work()
        return True
    watch = _Watch(seconds)
    try:
        watch.start()
        work()
        watch.end()
    except (Stopped, KeyboardInterrupt):
        watch.end()
        if not watch.passed:
            raise
    except BaseException:
        watch.end()
        raise
    return not watch.passed


class _Watch:
    """Interrupts the main thread once, unless it was ended before."""

    def __init__(self, seconds: float) -> None:
        self.passed = self._ended = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(max(0.0, seconds), self._pass)
        self._timer.daemon = True

    def start(self) -> None:
        self._timer.start()

    def end(self) -> None:
        with self._lock:  # from here on nobody is interrupted
            self._ended = True
        self._timer.cancel()

    def _pass(self) -> None:
        with self._lock:
            if not self._ended:
                self.passed = True
                _thread.interrupt_main()
