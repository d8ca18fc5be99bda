"""Times, paths and names as people read them."""

from __future__ import annotations

import itertools
import os

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def duration(seconds: float) -> str:
    """Return ``45 s``, ``12 min``, ``1 h 35 min`` or ``3 d 4 h``: two units from an hour on."""
    left = round(max(0.0, seconds))
    for (unit, size), (smaller, part) in itertools.pairwise(_UNITS):
        if left >= size:
            count, rest = left // size, left % size // part
            return f"{count} {unit} {rest} {smaller}" if rest and size > 60 else f"{count} {unit}"
    return f"{left} s"


def short_path(path: str | os.PathLike[str]) -> str:
    """Return a path from the working folder where it lies in it, else as it is."""
    relative = os.path.relpath(path)
    return os.fspath(path) if relative.startswith("..") else relative


def shown_path(path: str | os.PathLike[str]) -> str:
    """Return a short path for a terminal: without control characters, which folders may hold."""
    return "".join(c if c.isprintable() else "?" for c in short_path(path))
