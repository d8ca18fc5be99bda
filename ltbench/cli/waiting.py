"""A line on stderr while a command has nothing to say yet: nobody shall think that it hangs."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

from ltbench.cli.streams import wants_color

_CPU_SECONDS = 0.4  # of silence, and at least 0.6 since the program started
_CPU_AT_LEAST = 0.6
_SECONDS = 2.0  # of silence where something other than this process is slow, a disk for one
_LOOK_EVERY = 0.05
_ERASE = "\033[K"


@contextlib.contextmanager
def waiting(what: str, *, show: bool = True) -> Iterator[None]:
    """Say what is being done where it takes longer than a moment; nothing is printed meanwhile.

    In a terminal the line counts the seconds and is gone at the end. Elsewhere, and where no escape
    sequences are wanted, it is printed once.

    Args:
        what: the work, "Reading the runs" for one.
        show: whether anything is said at all.
    """
    if not show:
        yield
        return
    done = threading.Event()
    line = threading.Thread(target=_say, args=(what, done), daemon=True)
    line.start()
    try:
        yield
    finally:
        done.set()
        line.join()


def _say(what: str, done: threading.Event) -> None:
    """Write the line when it is time, and keep it up until ``done``."""
    began = time.monotonic()
    if not _lasts(began, done):
        return
    with contextlib.suppress(OSError, ValueError):  # stderr is closed
        if not sys.stderr.isatty() or wants_color() is False:
            print(what, file=sys.stderr, flush=True)
            return
        while True:
            # The cursor goes back to the start, so that whatever else is printed covers the line.
            text = f"{what}, {time.monotonic() - began:.0f} s{_ERASE}\r"
            print(text, end="", file=sys.stderr, flush=True)
            if done.wait(1):
                break
        print(_ERASE, end="", file=sys.stderr, flush=True)


def _lasts(began: float, done: threading.Event) -> bool:
    """Wait until the work has taken a while; return whether it is still going on."""
    enough = max(time.process_time() + _CPU_SECONDS, _CPU_AT_LEAST)
    while not done.wait(_LOOK_EVERY):
        if time.process_time() > enough or time.monotonic() - began > _SECONDS:
            return True
    return False
