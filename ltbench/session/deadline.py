"""An end to what a session does, as if the user had pressed Ctrl-C then."""

from __future__ import annotations

import _thread
import threading
from types import TracebackType
from typing import Self

from ltbench.errors import Stopped


class Deadline:
    """Interrupts the block when its time is over; runs in it write their checkpoints.

    In another thread than the main one, which alone can be interrupted, nothing is.

    Args:
        seconds: how long the block may take.

    Attributes:
        passed: whether it was interrupted for that.
    """

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._over, self._lock = False, threading.Lock()
        self._timer = threading.Timer(max(0.0, seconds), self._pass)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        with self._lock:  # from here on nobody is interrupted
            self._over = True
        self._timer.cancel()
        return self.passed and isinstance(error, Stopped | KeyboardInterrupt)

    def _pass(self) -> None:
        with self._lock:
            if not self._over:
                self.passed = True
                _thread.interrupt_main()
