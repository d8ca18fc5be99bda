"""Writes the file that a command was asked for, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from ltbench.errors import UsageError
from ltbench.results.folder import write_bytes


def check_output(path: Path) -> None:
    """Make the folder of a file that is to be written later, and check that it can be.

    Raises:
        UsageError: it cannot.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    place = path if _is_special(path) else path.resolve().parent
    if not os.access(place, os.W_OK):
        raise UsageError(f"{path} cannot be written: {place} is not writable")


def write_output(path: Path, content: bytes) -> None:
    """Write a file, making its folder; what was there before stays if that fails.

    A device or a pipe, such as ``/dev/stdout``, takes the content and stays what it is.

    Raises:
        UsageError: the disk is full, or the file or its folder is not writable.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if _is_special(path):
            path.write_bytes(content)
        else:
            write_bytes(path.resolve(), content)  # a link stays one
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def _is_special(path: Path) -> bool:
    """Return whether something is there that no file may take the place of."""
    device = Path(os.path.abspath(path)).is_relative_to("/dev")  # perhaps of a redirected file
    return path.exists() and (device or not path.is_file())
