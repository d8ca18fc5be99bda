"""What a file was when it first came, for sources whose authors publish no checksum.

Beside the files that are fetched lies ``sources.lock.json``. It holds size and SHA-256 of those
whose facts have none; later downloads and ``ltbench data verify`` hold them to it.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from ltbench.errors import DataError
from ltbench.regular_files import open_file, read_file

LOCK = "sources.lock.json"


def read_lock(folder: Path, file: str) -> tuple[int, str] | None:
    """Return size in bytes and SHA-256 that are recorded of a file, or ``None``.

    Args:
        folder: that the file lies in, or will lie in.
        file: its name.

    Raises:
        DataError: the record cannot be read.
    """
    entry = _read(folder / LOCK).get(file)
    if entry is None:
        return None
    size, sha256 = (
        entry.get(key) if isinstance(entry, dict) else None for key in ("size", "sha256")
    )
    digits = (
        isinstance(sha256, str) and len(sha256) == 64 and set(sha256) <= set("0123456789abcdef")
    )
    if type(size) is not int or size < 0 or not isinstance(sha256, str) or not digits:
        raise _unreadable(folder / LOCK, f"its entry of '{file}' lacks size or sha256")
    return size, sha256


def record(path: Path, url: str) -> str:
    """Record what a file is, and return the line that says so.

    Args:
        path: the file.
        url: where it came from, or nothing where it was put there by hand.

    Raises:
        DataError: the record that is there cannot be read.
        OSError: it cannot be written.
    """
    lock = path.parent / LOCK
    with open_file(path) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    entry = {"size": path.stat().st_size, "sha256": sha256, "from": url}
    content = {"files": {**_read(lock), path.name: entry}}
    # In one step: two commands may fetch into one folder.
    written = lock.with_name(f".{LOCK}.{os.getpid()}")
    written.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    written.replace(lock)
    return (
        f"{path.name}: no checksum is published; its size and sha256 are recorded in {lock}, and "
        "what is downloaded later must match"
    )


def _read(lock: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_file(lock))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(lock, getattr(error, "strerror", None) or "it is no JSON") from error
    files = content.get("files") if isinstance(content, dict) else None
    if not isinstance(files, dict):
        raise _unreadable(lock, "it has no table 'files'")
    return files


def _unreadable(lock: Path, cause: str) -> DataError:
    return DataError(
        f"{lock} cannot be read: {cause}; remove it, and what is downloaded next is recorded anew"
    )
