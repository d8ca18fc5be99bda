"""The decode cache as a whole: which stores there are, and removing them."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ltbench.data.locations import cache_folder
from ltbench.errors import UsageError


@dataclass(frozen=True)
class CachedImages:
    """One folder of the cache.

    Attributes:
        folder: where it lies.
        dataset: name of the data set.
        bytes: what it takes on the disk.
        finished: whether it is a store, or what a broken-off build left.
    """

    folder: Path
    dataset: str
    bytes: int
    finished: bool


def cached_images() -> list[CachedImages]:
    """Return every store, and what broken-off builds left, by name."""
    root = cache_folder() / "images"
    folders = sorted(path for path in root.glob("*") if path.is_dir())
    return [
        CachedImages(
            folder=folder,
            dataset=folder.name.partition(".building-")[0].rpartition("-")[0],
            bytes=sum(_size_on_disk(path) for path in folder.iterdir()),
            finished=".building-" not in folder.name,
        )
        for folder in folders
    ]


def remove_cached(dataset: str | None) -> list[CachedImages]:
    """Remove the decoded images of one data set, or of all, and return what was removed.

    What another process is building at this moment stays.

    Args:
        dataset: its name; ``None`` stands for all.

    Raises:
        UsageError: the cache holds nothing of that name, or cannot be written.
    """
    found = [c for c in cached_images() if dataset is None or c.dataset == dataset]
    if dataset is not None and not found:
        raise UsageError(
            f"no images of '{dataset}' are cached in {cache_folder()}; "
            "'ltbench data cache list' shows what is"
        )
    removed = []
    for entry in found:
        with _builder_lock(entry) as free:
            if free:
                _remove(entry.folder)
                removed.append(entry)
    return removed


@contextlib.contextmanager
def _builder_lock(entry: CachedImages) -> Iterator[bool]:
    """Hold the lock under which the folder is built; yields whether it was free."""
    store = entry.folder.name.partition(".building-")[0]
    path = entry.folder.with_name(f"{store}.lock")
    try:
        with FileLock(path, timeout=0):
            yield True
    except Timeout:
        yield False


def _remove(folder: Path) -> None:
    try:
        # Renamed first, so that nobody opens a store that is half gone.
        doomed = folder.with_name(f"{folder.name.partition('.building-')[0]}.building-removed")
        if folder != doomed:
            shutil.rmtree(doomed, ignore_errors=True)
            folder.rename(doomed)
        shutil.rmtree(doomed)
    except OSError as error:
        raise UsageError(f"{folder} cannot be removed: {error.strerror}") from error


def _size_on_disk(path: Path) -> int:
    status = path.stat()
    return getattr(status, "st_blocks", -(-status.st_size // 512)) * 512
