"""Every image of a data set as a small grey square, and what one look at it tells."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ltbench.data.library_messages import lines_with_names
from ltbench.data.store import is_cached, open_store, stored_square, with_messages
from ltbench.errors import DataError
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.split import Split

SIDE = 32  # pixels of a thumbnail
_LEVELS = 1.5  # of 255: what compression leaves between the colours of a grey image
_SEEN = 64  # pixels a side that are looked at for colour
_AT_A_TIME = 64  # images that a thread reads

Progress = Callable[[int, int], None]
"""Called with images done and images in all."""


@dataclass(frozen=True)
class Thumbnails:
    """What was seen of the images of a split, row by row.

    Attributes:
        pixels: (N, 32, 32) grey uint8, squeezed to a square as the network sees them; zero where an
            image cannot be read.
        sizes: height and width of the originals in pixels, (N, 2); zero where unreadable.
        grey: whether an image has no colour, (N,); false everywhere for data of one channel.
        unreadable: one sentence for each image that cannot be decoded, by its row.
    """

    pixels: NDArray[np.uint8]
    sizes: NDArray[np.int32]
    grey: NDArray[np.bool_]
    unreadable: dict[int, str]


def read_thumbnails(
    dataset: Dataset,
    split: Split,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Thumbnails:
    """Look at every image: in the decoded store where it is built, else in the files.

    Args:
        dataset: the data set, whose files are there.
        split: its table.
        progress: is told how many images are done.
        say: takes what libraries say of an image while it is decoded.
    """
    count = len(split)
    found = Thumbnails(
        np.zeros((count, SIDE, SIDE), dtype=np.uint8),
        np.zeros((count, 2), dtype=np.int32),
        np.zeros(count, dtype=np.bool_),
        {},
    )
    look = _at_store(dataset, split) if _is_stored(dataset, split) else _at_files(dataset, split)

    def some(first: int) -> int:
        last = min(first + _AT_A_TIME, count)
        for row in range(first, last):
            try:
                square, found.sizes[row] = look(row)
            except DataError as error:
                found.unreadable[row] = str(error)
                continue
            found.pixels[row] = thumbnail(square)
            found.grey[row] = is_grey(square)
        return last - first

    done = 0
    with lines_with_names(say), ThreadPoolExecutor(os.cpu_count()) as pool:
        for finished in pool.map(some, range(0, count, _AT_A_TIME)):
            done += finished
            if progress:
                progress(done, count)
    return found


_Look = Callable[[int], tuple[NDArray[np.uint8], tuple[int, int]]]
"""Returns an image as a square (channels, S, S) and its height and width in pixels."""


def _is_stored(dataset: Dataset, split: Split) -> bool:
    try:
        return is_cached(dataset, split)
    except DataError:  # a file that is not there or cannot be read, which is named later
        return False


def _at_store(dataset: Dataset, split: Split) -> _Look:
    store = open_store(dataset, split)
    return lambda row: (store.images[row], tuple(store.sizes[row]))


def _at_files(dataset: Dataset, split: Split) -> _Look:
    decode = with_messages(dataset.decoder(split), split)
    channels, side = dataset.facts.channels, 2 * SIDE

    def look(row: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        pixels = decode(row)
        return stored_square(pixels, side, channels), pixels.shape[:2]

    return look


def thumbnail(square: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a square image as a grey one of 32×32 pixels.

    Args:
        square: (channels, S, S).
    """
    side = square.shape[-1]
    how = Image.Resampling.BOX if side >= SIDE else Image.Resampling.BILINEAR
    small = [_resized(channel, how) for channel in square]
    return small[0] if len(small) == 1 else np.mean(small, axis=0).astype(np.uint8)


def _resized(channel: NDArray[np.uint8], how: Image.Resampling) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(channel).resize((SIDE, SIDE), how))


def is_grey(square: NDArray[np.uint8]) -> bool:
    """Return whether an image of three channels has no colour; of one channel it is not asked.

    Args:
        square: (channels, S, S).
    """
    if len(square) == 1:
        return False
    every = max(1, square.shape[-1] // _SEEN)
    seen = square[:, ::every, ::every].astype(np.int16)
    return bool((seen.max(axis=0) - seen.min(axis=0)).mean() < _LEVELS)


def blank(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which thumbnails (N, 32, 32) are of a single shade, (N,)."""
    flat = pixels.reshape(len(pixels), -1)
    return np.ptp(flat, axis=1) <= 1


def slabs(count: int, length: int) -> Iterator[slice]:
    """Yield slices of so many rows that cover ``count`` rows."""
    for start in range(0, count, length):
        yield slice(start, min(start + length, count))
