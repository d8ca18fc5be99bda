"""Tells Ctrl-C from a plugin that raises ``KeyboardInterrupt`` itself."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_presses: list[int] = []


@contextlib.contextmanager
def telling_ctrl_c() -> Iterator[Callable[[BaseException], bool]]:
    """Yield a function that says whether an error of this block is the user's Ctrl-C.

    Only Python's own handler turns Ctrl-C into ``KeyboardInterrupt``, and only in the main thread;
    where another handler stands, or none, such an error is of whoever raised it.
    """
    before = len(_presses)

    def is_users(error: BaseException) -> bool:
        return isinstance(error, KeyboardInterrupt) and len(_presses) > before

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


def _count(number: int, frame: FrameType | None) -> None:
    _presses.append(number)
    signal.default_int_handler(number, frame)
