"""A line on stderr while a command has nothing to say yet: nobody shall think that it hangs."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

from ltbench.printable import inner_stream, is_closed, printable, shows_escapes

_CPU_SECONDS = 0.4  # of silence, and at least 0.6 since the program started
_CPU_AT_LEAST = 0.6
_SECONDS = 2.0  # of silence where something other than this process is slow, a disk for one
_PATIENCE = 5  # times as long where nobody looks on
_LOOK_EVERY = 0.05
_ERASE = "\033[K"


@contextlib.contextmanager
def waiting(what: str, *, show: bool = True) -> Iterator[None]:
    """Say what is being done where it takes longer than a moment.

    In a terminal the line counts the seconds and is gone at the end. Elsewhere, and where no escape
    sequences are wanted, it is printed once. What prints something meanwhile calls
    :func:`end_waiting` before.

    Args:
        what: the work, "Reading the runs" for one.
        show: whether anything is said at all.
    """
    if not show or sys.stderr is None:  # there is none where it was closed from the start
        yield
        return
    line = _Line(what)
    line.start()
    _lines.append(line)
    try:
        yield
    finally:
        line.end()
        _lines.remove(line)


def end_waiting() -> None:
    """Take the line away, for there is something to print."""
    for line in _lines:
        line.end()


class _Line(threading.Thread):
    """The line, from when it is time until the end."""

    def __init__(self, what: str) -> None:
        self.done = threading.Event()
        super().__init__(target=_say, args=(what, self.done), daemon=True)

    def end(self) -> None:
        """Take it away; it does not come back."""
        self.done.set()
        self.join()


_lines: list[_Line] = []


def _say(what: str, done: threading.Event) -> None:
    """Write the line when it is time, and keep it up until ``done``."""
    began = time.monotonic()
    with contextlib.suppress(OSError, ValueError):  # stderr was closed
        # `ltbench leaderboard | true` ends quietly.
        if not _lasts(began, done) or is_closed(sys.stdout):
            return
        if not shows_escapes(sys.stderr):
            print(what, file=sys.stderr, flush=True)
            return
        terminal = inner_stream(sys.stderr)
        while True:
            # The cursor goes back to the start, so that whatever else is printed covers the line.
            text = f"{printable(what)}, {time.monotonic() - began:.0f} s{_ERASE}\r"
            print(text, end="", file=terminal, flush=True)
            if done.wait(1):
                break
        print(_ERASE, end="", file=terminal, flush=True)


def _lasts(began: float, done: threading.Event) -> bool:
    """Wait until the work has taken a while; return whether it is still going on."""
    enough = max(time.process_time() + _CPU_SECONDS, _CPU_AT_LEAST)
    seconds = _SECONDS if sys.stderr.isatty() else _PATIENCE * _SECONDS
    while not done.wait(_LOOK_EVERY):
        if time.process_time() > enough or time.monotonic() - began > seconds:
            return True
    return False
