"""Whether there is a place for decoded images, data sets and runs, and room in it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ltbench.data.cache import cached_images
from ltbench.data.locations import cache_folder, data_folder
from ltbench.session.checks import BAD, OK, WARN, Check

FULL = 100e6
"""Bytes; with fewer free than this a run's checkpoints may not be written."""
LITTLE = 2e9
"""Bytes; fewer may not hold a data set's images or a sweep's checkpoints."""


def storage_checks(runs: Path, data_dir: Path | None) -> Iterator[Check]:
    """Yield the folders that ltbench writes to.

    Args:
        runs: the folder of the runs.
        data_dir: of the data sets' files, ``None`` for the usual one.
    """
    yield _folder("cache", cache_folder(), "set LTBENCH_CACHE to a folder of yours", _kept())
    data = data_folder(data_dir)
    # Data sets are often installed by somebody else, and read only.
    yield _folder("data", data, "set LTBENCH_DATA, or give --data-dir, to prepare others", "", WARN)
    yield _folder("runs", runs, "give --out a folder of yours")


def _kept() -> str:
    """Say how much the cache holds."""
    try:
        found = cached_images()
    except OSError:
        return ""
    if not found:
        return "empty"
    names = len({entry.dataset for entry in found})
    size = sum(entry.bytes for entry in found)
    amount = f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
    return f"{amount} of {names} data set{'s' * (names != 1)}"


def _folder(name: str, folder: Path, elsewhere: str, kept: str = "", closed: str = BAD) -> Check:
    """Return how a folder is; what does not exist yet is looked at where it would be made."""
    there = folder.absolute()
    # What may not be looked into is not there either: asking pathlib would raise.
    while not os.path.exists(there) and there != there.parent:
        there = there.parent
    parts = [str(folder), *([kept] if kept else [])]
    parts += [] if os.path.exists(folder) else ["not there yet"]
    if cause := _not_writable(there):
        return Check(name, closed, f"{', '.join(parts)}, cannot be written: {cause}", elsewhere)
    free = shutil.disk_usage(there).free
    parts.append(f"{free / 1e9:.1f} GB free")
    if free < LITTLE:
        freed = "free some: `ltbench clean` and `ltbench data cache clear` do, or " + elsewhere
        return Check(name, BAD if free < FULL else WARN, ", ".join(parts), freed)
    return Check(name, OK, ", ".join(parts))


def _not_writable(folder: Path) -> str:
    """Return why nothing can be written to a folder, found by trying; nothing if it can."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0")
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""
