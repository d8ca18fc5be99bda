"""Opens files that may be anything: a pipe would be waited for, and a device never ends."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

LARGEST = 2**30
"""Bytes of more than any list or table that there is."""
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


def open_file(path: Path) -> BufferedReader:
    """Open a file for reading if it is one.

    Raises:
        FileNotFoundError: there is nothing.
        OSError: it is not a regular file, or cannot be opened.
    """
    # Looked at before it is opened, as opening alone makes some devices act, and after, as it may
    # have been exchanged.
    if stat.S_ISREG(os.stat(path).st_mode):
        file = open(path, "rb", opener=_at_once)  # noqa: SIM115  # for the caller to close
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file
        file.close()
    raise OSError(errno.EINVAL, "it is not a regular file", str(path))


def _at_once(name: str, flags: int) -> int:
    return os.open(name, flags | _AT_ONCE)


def read_file(path: Path, most: int = LARGEST) -> bytes:
    """Return the content of a regular file.

    Args:
        path: the file.
        most: bytes that it may hold.

    Raises:
        FileNotFoundError: there is nothing.
        OSError: it is not a regular file, cannot be read, or holds more than ``most`` bytes.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        # Some files of a system hold more than they say.
        content = file.read(most + 1) or b"" if size <= most else b""
    if max(size, len(content)) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most // 2**20} MB", str(path))
    return content
