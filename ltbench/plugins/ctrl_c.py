"""Tells a signal, Ctrl-C for one, from a plugin that raises ``KeyboardInterrupt`` itself."""

from __future__ import annotations

import contextlib
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from types import FrameType

_presses: list[int] = []


@contextlib.contextmanager
def telling_ctrl_c() -> Iterator[Callable[[BaseException], bool]]:
    """Yield a function that says whether an error of this block is the user's, by a signal.

    Python's own handler turns Ctrl-C into ``KeyboardInterrupt``, in the main thread; other handlers
    may raise what ends a program too (Ray's do, when a node is taken away). What no handler raised
    is of whoever did.
    """
    before = len(_presses)

    def is_users(error: BaseException) -> bool:
        if isinstance(error, Exception):
            return False
        pressed = isinstance(error, KeyboardInterrupt) and len(_presses) > before
        return pressed or _is_by_handler(error)

    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if ours:
        signal.signal(signal.SIGINT, _count)
    try:
        yield is_users
    finally:
        if ours and signal.getsignal(signal.SIGINT) is _count:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_by_handler(error: BaseException) -> bool:
    """Return whether an error was raised in a handler of a signal."""
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    codes = {getattr(handler, "__code__", None) for handler in handlers} - {None}
    return any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))


def _count(number: int, frame: FrameType | None) -> None:
    _presses.append(number)
    signal.default_int_handler(number, frame)
