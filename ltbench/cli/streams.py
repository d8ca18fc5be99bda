"""What commands print to: terminals without colours, encodings that lack letters, closed pipes."""

from __future__ import annotations

import io
import os
import sys

from ltbench.printable import guard_streams, inner_stream, is_closed

CLOSED_PIPE = 141
"""The shell's code for a program that wrote to a pipe which nobody reads: 128 + SIGPIPE."""


def prepare_streams() -> None:
    """Make the output fit for whatever is printed.

    Letters that its encoding lacks are printed as ``?`` rather than an error, and nothing passes
    that a terminal would obey. ASCII is taken for a setting that went wrong: UTF-8 is printed.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            ascii_ = stream.encoding.lower() in ("ascii", "us-ascii", "ansi_x3.4-1968", "646")
            stream.reconfigure(encoding="utf-8" if ascii_ else None, errors="replace")
    guard_streams()


def drop_closed_output() -> bool:
    """Send what is still to be printed nowhere where its reader is gone; return whether one is.

    A pipe that broke may also be one between processes, which is an error as any other.
    """
    closed = [s for s in map(inner_stream, (sys.stdout, sys.stderr)) if is_closed(s)]
    for stream in closed:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    return bool(closed)
