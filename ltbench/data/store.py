"""The decode cache: every image is decoded once per machine into a memory-mapped uint8 array.

A store is a folder ``<cache>/images/<data set>-<key>/`` whose key covers the split, the content of
the files and the stored size, so changed images simply have another key. It appears by one
rename of a finished folder: a killed or failed build is never mistaken for a store. One that is
found damaged later (see :mod:`ltbench.data.store_files`) is built anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import shutil
import sys
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from ltbench.data.content import check_content, content_sha256, remembered_content
from ltbench.data.library_messages import about, lines_with_names
from ltbench.data.locations import cache_folder
from ltbench.data.store_files import (
    IMAGES,
    DamagedStore,
    ImageStore,
    checked_shape,
    write_small_files,
)
from ltbench.data.unseen_domains import as_used, stored
from ltbench.errors import DataError, UsageError
from ltbench.plugins.dataset import Dataset, Decode
from ltbench.plugins.facts import Facts
from ltbench.plugins.split import Split

logger = logging.getLogger(__name__)

FORMAT = "3"  # of the files, and of what is read of images
CHUNK = 64  # images decoded by a thread at a time
Progress = Callable[[int, int], None]
"""Called with images done and images in all."""


def stored_size(facts: Facts) -> int:
    """Return the side in pixels at which the images of a data set are stored.

    A protocol that crops at random needs more pixels than the network sees: the smallest crop has
    70 % of the area, so 224-pixel inputs are stored at 288, and no square crop is enlarged.
    """
    size = facts.size
    return size if size < 64 else math.ceil(size * 1.25 / 32) * 32


def open_store(
    dataset: Dataset,
    split: Split,
    progress: Progress | None = None,
    rows: NDArray[np.int64] | None = None,
) -> ImageStore:
    """Open the decoded images of a data set, building them first where they are not there.

    A store that is damaged is built anew, with a line on standard error. Safe when several
    processes call it at once: one builds, the others wait.

    Args:
        dataset: the data set.
        split: its table.
        progress: is told how many images are decoded.
        rows: of images that are read at once, to see whether they are as they were written.

    Raises:
        DataError: an image cannot be decoded (the message names it).
        UsageError: the cache folder cannot be written or its disk is full.
    """
    folder, (source, whole) = store_folder(dataset, split), stored(dataset, split)
    store = None
    with contextlib.suppress(DamagedStore):
        store = _whole(folder, rows)
    if store is None:
        with _writable(folder.parent):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{folder}.lock"):
                store = _built(folder, source, whole, progress, rows)
    logger.info("decoded images of %s: %s", dataset.name, folder)
    return _as_used(dataset, store)


def _as_used(dataset: Dataset, store: ImageStore) -> ImageStore:
    """Return a store with the split of the data set, which may share it with other settings."""
    split = as_used(dataset, store.split)
    return store if split is store.split else replace(store, split=split)


def _built(
    folder: Path,
    dataset: Dataset,
    split: Split,
    progress: Progress | None,
    rows: NDArray[np.int64] | None,
) -> ImageStore:
    """Build a store, unless another process did while this one waited for the lock."""
    try:
        if store := _whole(folder, rows):
            return store
    except DamagedStore as damage:
        _say(f"{damage}: the images of {dataset.name} are decoded anew")
        remove_folder(folder)
    _build(folder, dataset, split, progress)
    return ImageStore.load(folder)


def _whole(folder: Path, rows: NDArray[np.int64] | None) -> ImageStore | None:
    """Open a store with checksums; ``None`` where there is none."""
    if not folder.exists():
        return None
    store = ImageStore.load(folder)
    if store.checksums is None:
        raise DamagedStore(f"{folder} lacks its checksums")
    if rows is not None:
        store.check(rows)
    return store


def open_planned(folder: Path | None, dataset: Dataset) -> ImageStore:
    """Open the store that a run was planned with; where it is gone or damaged, build it.

    The data set's files are not listed where the store is there.

    Raises:
        DataError, UsageError: as :func:`open_store`.
    """
    if folder is not None:
        with contextlib.suppress(DamagedStore):
            if store := _whole(folder, None):
                return _as_used(dataset, store)
    return open_store(dataset, dataset.split())


def repaired(store: ImageStore, dataset: Dataset, rows: NDArray[np.int64]) -> ImageStore:
    """Return a store again whose images ``rows`` are damaged, built anew from the same files.

    Raises:
        DataError: the files are others by now, or the new store is damaged as well.
    """
    fresh = open_store(dataset, store.split, rows=rows)
    if store.folder is None or fresh.folder is None or fresh.folder.name != store.folder.name:
        raise DataError(
            f"the decoded images in {store.folder} are damaged, and the files of {dataset.name} "
            "have changed since: type the same command again"
        )
    try:
        fresh.check(rows)
    except DamagedStore as damage:
        raise DataError(
            f"{damage}, although it was decoded anew just now: the disk or the memory is faulty"
        ) from damage
    return fresh


def is_cached(dataset: Dataset, split: Split) -> bool:
    """Return whether the decoded images are there, as far as can be told without reading them."""
    folder = store_folder(dataset, split)
    try:
        return folder.exists() and bool(checked_shape(folder))
    except (DamagedStore, UsageError):
        return False


def remove_folder(folder: Path) -> None:
    """Remove a store, or what lies in its place: renamed first, so that nobody opens half of it."""
    doomed = folder.with_name(f"{folder.name}.building-{uuid.uuid4().hex}")
    folder.rename(doomed)
    if doomed.is_dir():
        shutil.rmtree(doomed)
    else:
        doomed.unlink()


def store_folder(dataset: Dataset, split: Split) -> Path:
    """Return the folder in which the decoded images of this split lie, or will lie."""
    dataset, split = stored(dataset, split)
    return _folder_of(dataset, split, content_sha256(dataset, split))


def found_store(dataset: Dataset, split: Split) -> ImageStore | None:
    """Open the decoded images of a data set where that needs none of its files to be opened.

    Returns:
        They, or ``None`` where they are not there, or where nothing remembers what is in the files.

    Raises:
        DamagedStore: they are damaged.
    """
    dataset, split = stored(dataset, split)
    content = remembered_content(dataset, split)
    folder = None if content is None else _folder_of(dataset, split, content)
    return ImageStore.load(folder) if folder is not None and folder.exists() else None


def _folder_of(dataset: Dataset, split: Split, content: str) -> Path:
    source = content or dataset.fingerprint(split)
    size, channels = str(stored_size(dataset.facts)), str(dataset.facts.channels)
    # A store holds how many domains are kept from training, which the table's SHA-256 does not.
    parts = (FORMAT, split.sha256, str(split.held_out), source, size, channels)
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return cache_folder() / "images" / f"{dataset.name}-{key[:16]}"


def _build(folder: Path, dataset: Dataset, split: Split, progress: Progress | None) -> None:
    for abandoned in folder.parent.glob(f"{folder.name}.building-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    # Not by tempfile, whose folders nobody else may enter: users may share a cache.
    building = folder.with_name(f"{folder.name}.building-{uuid.uuid4().hex}")
    building.mkdir()
    logger.info("decoding %d images of %s for %s", len(split), dataset.name, folder)
    began = time.monotonic()
    try:
        size, channels = stored_size(dataset.facts), dataset.facts.channels
        images = _allocate(building / IMAGES, (len(split), channels, size, size))
        sizes = np.zeros((len(split), 2), dtype=np.int32)
        checksums = np.zeros(len(split), dtype=np.uint32)
        try:
            with lines_with_names(_say):
                decode = with_messages(dataset.decoder(split), split)
                _decode_all(decode, images, sizes, checksums, progress)
        except DataError as error:
            # One is named here, whichever a thread came upon first.
            raise DataError(
                f"{error} ('ltbench data verify NAME --images' lists all such)"
            ) from error
        images.flush()
        check_content(dataset, split)
        write_small_files(building, split, sizes, checksums, images.shape)
        building.rename(folder)
        logger.info("decoded in %.1f s", time.monotonic() - began)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def with_messages(decode: Decode, split: Split) -> Decode:
    """Return a decoder during which what libraries say is about the image that it decodes."""

    def decode_row(i: int) -> NDArray[np.uint8]:
        with about(str(split.images[i])):
            return decode(i)

    return decode_row


def _allocate(path: Path, shape: tuple[int, ...]) -> np.memmap[tuple[int, ...], np.dtype[np.uint8]]:
    """Create the array's file with its blocks reserved.

    A full disk then raises here, where a write through the memory map would kill the process.
    """
    images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):  # macOS has none
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return images


def _decode_all(
    decode: Decode,
    images: NDArray[np.uint8],
    sizes: NDArray[np.int32],
    checksums: NDArray[np.uint32],
    progress: Progress | None,
) -> None:
    count, channels, size = images.shape[:3]

    def fill(first: int) -> int:
        last = min(first + CHUNK, count)
        for row in range(first, last):
            pixels = decode(row)
            sizes[row] = pixels.shape[:2]
            fitted = stored_square(pixels, size, channels)
            images[row], checksums[row] = fitted, zlib.crc32(fitted.data)
        return last - first

    done = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for finished in pool.map(fill, range(0, count, CHUNK)):
            done += finished
            if progress:
                progress(done, count)


def stored_square(pixels: NDArray[np.uint8], size: int, channels: int) -> NDArray[np.uint8]:
    """Return an image as stores hold it: squeezed to a square, and grey made colour where asked.

    Args:
        pixels: (H, W, 1) or (H, W, ``channels``).
        size: side of the square, :func:`stored_size`.
        channels: 1 or 3.

    Returns:
        (channels, size, size), contiguous.
    """
    if pixels.shape[2] == 1 and channels == 3:
        pixels = pixels.repeat(3, axis=2)
    if pixels.shape[:2] != (size, size):
        image = Image.fromarray(pixels if channels == 3 else pixels[..., 0])
        resized = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
        pixels = resized.reshape(size, size, channels)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except OSError as error:
        raise UsageError(
            f"decoded images cannot be stored in {folder}: {error.strerror or error}; free some "
            "space or set LTBENCH_CACHE to another folder"
        ) from error
