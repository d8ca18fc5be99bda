"""What commands print to: terminals without colours, encodings that lack letters, closed pipes."""

from __future__ import annotations

import io
import os
import select
import sys
from typing import TextIO

CLOSED_PIPE = 141
"""The shell's code for a program that wrote to a pipe which nobody reads: 128 + SIGPIPE."""


def wants_color() -> bool | None:
    """Return ``False`` where the user wants no escape sequences, else ``None``: click decides.

    See https://no-color.org; a terminal of the kind ``dumb`` has none.
    """
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def replace_unknown_letters() -> None:
    """Have letters that the output's encoding lacks printed as ``?``, rather than an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def drop_closed_output() -> bool:
    """Send what is still to be printed nowhere where its reader is gone; return whether one is.

    A pipe that broke may also be one between processes, which is an error as any other.
    """
    closed = [stream for stream in (sys.stdout, sys.stderr) if _is_closed(stream)]
    for stream in closed:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    return bool(closed)


def _is_closed(stream: TextIO) -> bool:
    """Return whether nobody reads what is written to a stream any more."""
    if not isinstance(stream, io.TextIOWrapper):
        return False
    poll = select.poll()
    poll.register(stream.fileno(), select.POLLOUT)
    return any(state & (select.POLLERR | select.POLLHUP) for _, state in poll.poll(0))
