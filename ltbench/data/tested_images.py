"""The test images of a run that is done, for whoever wants to look at them.

They are taken from the decoded images of the data set where those are on this machine, else from
its files. Which image is meant is told by its name in the split, and no file is opened that the
data set itself does not list.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ltbench.data.catalogue import create_dataset
from ltbench.data.locations import cache_folder, data_folder
from ltbench.data.store import found_store
from ltbench.data.store_files import SPLIT, DamagedStore, ImageStore
from ltbench.errors import DataError, LtbenchError
from ltbench.plugins.names import Name
from ltbench.plugins.split import Split

_MOST_STORES = 64


@dataclass(frozen=True)
class TestedImages:
    """Test images by their place among a run's answers.

    Attributes:
        names: of the images in the split, (N,); empty texts where they are not known.
        why_not: why there are no pixels, in words without a full stop; empty where there are.
    """

    names: NDArray[np.str_]
    why_not: str = ""
    _pixels: Callable[[int], NDArray[np.uint8]] | None = None

    def pixels(self, image: int) -> NDArray[np.uint8] | None:
        """Return an image as (H, W, 1 or 3), or ``None`` where it cannot be had.

        What comes from decoded images is as they are stored, with its own proportions.

        Args:
            image: its place among the test images, from 0.
        """
        if self._pixels is None:
            return None
        try:
            return self._pixels(image)
        except (LtbenchError, DamagedStore, OSError):
            return None


@dataclass(frozen=True)
class Wanted:
    """What is known of a run's test images, from its folder.

    Attributes:
        dataset: name of the data set, with all its options.
        split: SHA-256 of its split; empty where it is not known.
        y: classes, (N,).
        d: domains, (N,).
        names: of the images, (N,), or ``None``.
    """

    dataset: Name
    split: str
    y: NDArray[np.int64]
    d: NDArray[np.int64]
    names: NDArray[np.str_] | None = None


def find_tested_images(wanted: Wanted, data_dir: Path | None = None) -> TestedImages:
    """Return the test images, with their pixels where the data set or its decoded images are here.

    Args:
        wanted: which.
        data_dir: the folder of the data sets' files.
    """
    try:
        return _of_dataset(wanted, data_folder(data_dir))
    except (LtbenchError, OSError) as problem:
        found = _of_any_store(wanted) if wanted.names is not None else None
        names = wanted.names if wanted.names is not None else np.full(len(wanted.y), "")
        return found or TestedImages(names, str(problem).rstrip("."))


def _of_dataset(wanted: Wanted, data_dir: Path) -> TestedImages:
    """Return the images of the data set as it is here.

    Raises:
        DataError: it is not here, or has other test images by now.
        UsageError: there is no such data set.
    """
    dataset = create_dataset(wanted.dataset, data_dir)
    if cause := dataset.missing():
        raise DataError(cause)
    split = dataset.split()
    rows = split.rows("test")
    same = np.array_equal(split.y[rows], wanted.y) and np.array_equal(split.d[rows], wanted.d)
    names = split.images[rows]
    if same and wanted.names is not None:
        same = np.array_equal(names, wanted.names)
    if not same or (wanted.split and split.sha256 != wanted.split):
        raise DataError(f"the images of {dataset.name} have changed since the run was tested")
    with contextlib.suppress(DamagedStore):
        if store := found_store(dataset, split):
            return TestedImages(names, "", _Stored(store, rows))
    decode = dataset.decoder(split)
    return TestedImages(names, "", lambda image: decode(int(rows[image])))


def _of_any_store(wanted: Wanted) -> TestedImages | None:
    """Return the images of decoded ones whose files are gone, or ``None``."""
    place, beginning = cache_folder() / "images", f"{wanted.dataset.name}-"
    found = sorted(place.iterdir()) if place.is_dir() else []
    for folder in [one for one in found if one.name.startswith(beginning)][:_MOST_STORES]:
        with contextlib.suppress(DamagedStore, LtbenchError, OSError, ValueError, KeyError):
            rows = _rows_of(Split.load(folder / SPLIT), wanted)
            if rows is not None and wanted.names is not None:
                return TestedImages(wanted.names, "", _Stored(ImageStore.load(folder), rows))
    return None


def _rows_of(split: Split, wanted: Wanted) -> NDArray[np.int64] | None:
    """Return where the test images are in a split, or ``None`` where it is not theirs.

    Settings of a data set that differ in their unseen domains share their decoded images, so that
    domains may have other numbers; names and classes are the same.
    """
    places = {name: row for row, name in enumerate(split.images.tolist())}
    names = wanted.names.tolist() if wanted.names is not None else []
    rows = np.array([places.get(name, -1) for name in names], dtype=np.int64)
    fits = len(rows) == len(wanted.y) and len(places) == len(split) and (rows >= 0).all()
    return rows if fits and np.array_equal(split.y[rows], wanted.y) else None


class _Stored:
    """Reads images of a store, in their own proportions again.

    Args:
        store: the decoded images.
        rows: of the test images.
    """

    def __init__(self, store: ImageStore, rows: NDArray[np.int64]) -> None:
        self._store = store
        self._rows = rows

    def __call__(self, image: int) -> NDArray[np.uint8]:
        row = self._rows[image]
        self._store.check(np.array([row]))
        square = np.asarray(self._store.images[row]).transpose(1, 2, 0)
        height, width = self._store.sizes[row].tolist()
        return _in_proportion(square, height, width)


def _in_proportion(square: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return a stored square as long and as wide as the image was, no side longer than it is."""
    if height == width or min(height, width) < 1:
        return square
    side = square.shape[0]
    size = (max(1, side * width // max(height, width)), max(1, side * height // max(height, width)))
    grey = square.shape[2] == 1
    image = Image.fromarray(square[..., 0] if grey else np.ascontiguousarray(square))
    resized = np.asarray(image.resize(size))
    return resized[..., None] if grey else resized
