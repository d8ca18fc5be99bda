"""Paths as people read them."""

from __future__ import annotations

import os


def short_path(path: str | os.PathLike[str]) -> str:
    """Return a path from the working folder where it lies in it, else as it is."""
    relative = os.path.relpath(path)
    return os.fspath(path) if relative.startswith("..") else relative


def shown_path(path: str | os.PathLike[str]) -> str:
    """Return a short path for a terminal: without control characters, which folders may hold."""
    return "".join(c if c.isprintable() else "?" for c in short_path(path))
