"""The decode cache: every image is decoded once per machine into a memory-mapped uint8 array.

A store is a folder ``<cache>/images/<data set>-<key>/`` whose key covers the split, the content of
the files and the stored size, so changed images simply have another key. It appears by one
rename of a finished folder: a killed or failed build is never mistaken for a store.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from ltbench.data.content import check_content, content_sha256
from ltbench.data.locations import cache_folder
from ltbench.errors import DataError, UsageError
from ltbench.plugins.dataset import Dataset, Decode
from ltbench.plugins.split import Split

logger = logging.getLogger(__name__)

FORMAT = "1"
CHUNK = 64  # images decoded by a thread at a time
Progress = Callable[[int, int], None]
"""Called with images done and images in all."""


@dataclass(frozen=True)
class ImageStore:
    """Decoded images, row by row as in the split.

    Attributes:
        split: the table.
        images: (N, channels, S, S) uint8, memory-mapped.
        sizes: original height and width in pixels, (N, 2).
    """

    split: Split
    images: NDArray[np.uint8]
    sizes: NDArray[np.int32]

    @classmethod
    def load(cls, folder: Path) -> ImageStore:
        """Open a finished store."""
        return cls(
            Split.load(folder / "split.npz"),
            # Read-only: a writable mapping counts against the memory, however large the file.
            np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False),
            np.load(folder / "sizes.npy", allow_pickle=False),
        )


def stored_size(dataset: Dataset) -> int:
    """Return the side in pixels at which images are stored.

    A protocol that crops at random needs more pixels than the network sees: the smallest crop has
    70 % of the area, so 224-pixel inputs are stored at 288, and no square crop is enlarged.
    """
    size = dataset.facts.size
    return size if size < 64 else math.ceil(size * 1.25 / 32) * 32


def open_store(dataset: Dataset, split: Split, progress: Progress | None = None) -> ImageStore:
    """Open the decoded images of a data set, building them first where they are not there.

    Safe when several processes call it at once: one builds, the others wait.

    Raises:
        DataError: an image cannot be decoded (the message names it).
        UsageError: the cache folder cannot be written or its disk is full.
    """
    folder = store_folder(dataset, split)
    if not folder.exists():
        with _writable(folder.parent):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{folder}.lock"):
                if not folder.exists():
                    _build(folder, dataset, split, progress)
    logger.info("decoded images of %s: %s", dataset.name, folder)
    return ImageStore.load(folder)


def is_cached(dataset: Dataset, split: Split) -> bool:
    """Return whether the decoded images are there."""
    return store_folder(dataset, split).exists()


def store_folder(dataset: Dataset, split: Split) -> Path:
    """Return the folder in which the decoded images of this split lie, or will lie."""
    source = content_sha256(dataset, split) or dataset.fingerprint(split)
    parts = (FORMAT, split.sha256, source, str(stored_size(dataset)))
    key = hashlib.sha256("\0".join((*parts, str(dataset.facts.channels))).encode()).hexdigest()
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
        size, channels = stored_size(dataset), dataset.facts.channels
        images = _allocate(building / "images.npy", (len(split), channels, size, size))
        sizes = np.zeros((len(split), 2), dtype=np.int32)
        try:
            _decode_all(dataset.decoder(split), images, sizes, progress)
        except DataError as error:
            # One is named here, whichever a thread came upon first.
            raise DataError(
                f"{error} ('ltbench data verify NAME --images' lists all such)"
            ) from error
        images.flush()
        check_content(dataset, split)
        np.save(building / "sizes.npy", sizes)
        split.save(building / "split.npz")
        building.rename(folder)
        logger.info("decoded in %.1f s", time.monotonic() - began)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


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
    progress: Progress | None,
) -> None:
    count, channels, size = images.shape[:3]

    def fill(first: int) -> int:
        last = min(first + CHUNK, count)
        for row in range(first, last):
            pixels = decode(row)
            sizes[row] = pixels.shape[:2]
            images[row] = _fit(pixels, size, channels)
        return last - first

    done = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for finished in pool.map(fill, range(0, count, CHUNK)):
            done += finished
            if progress:
                progress(done, count)


def _fit(pixels: NDArray[np.uint8], size: int, channels: int) -> NDArray[np.uint8]:
    """Resize (H, W, c) to (channels, size, size), grey to colour where the network wants colour."""
    if pixels.shape[2] == 1 and channels == 3:
        pixels = pixels.repeat(3, axis=2)
    if pixels.shape[:2] != (size, size):
        image = Image.fromarray(pixels if channels == 3 else pixels[..., 0])
        resized = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
        pixels = resized.reshape(size, size, channels)
    return pixels.transpose(2, 0, 1)


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
