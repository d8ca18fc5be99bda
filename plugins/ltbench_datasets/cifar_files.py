"""Reads the files in which CIFAR is published."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.api import DataError, read_file
from ltbench_datasets.plain_pickles import read_plain

SIDE = 32
_LONGEST_CAUSE = 200  # letters
LARGEST = 1 << 28  # bytes; the largest published file has 155 MB


def read_batches(
    paths: Iterable[Path], labels: str, classes: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images (N, 3, 32, 32) and classes (N,) of several files, one after another.

    Args:
        paths: the pickles.
        labels: under which name they keep the classes.
        classes: number of classes.

    Raises:
        DataError: a file is missing, broken, asks for code, or does not hold such images.
    """
    images, y = zip(*(_read_batch(path, labels, classes) for path in paths), strict=True)
    return images[0] if len(images) == 1 else np.concatenate(images), np.concatenate(y)


def _read_batch(
    path: Path, labels: str, classes: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        table = read_plain(read_file(path, LARGEST))
        if type(table) is not dict or not {b"data", labels.encode()} <= table.keys():
            raise ValueError(f"it holds no table of 'data' and '{labels}'")
        pixels, y = table[b"data"], _labels(table[labels.encode()], classes)
        if type(pixels) is not np.ndarray or pixels.dtype != np.uint8:
            raise ValueError("its images are no array of bytes")
        images = pixels.reshape(len(y), 3, SIDE, SIDE)
    except (OSError, ValueError) as error:
        cause = str(error)[:_LONGEST_CAUSE]  # which may quote the whole file
        raise DataError(
            f"the CIFAR file {path} cannot be read ({type(error).__name__}: {cause}): remove its "
            "folder, then prepare the data set again"
        ) from error
    return images, y


def _labels(found: Any, classes: int) -> NDArray[np.int64]:
    """Return classes that come as a list of numbers, or as an array of them."""
    if type(found) is np.ndarray and found.ndim == 1:
        found = found.tolist()
    if type(found) is not list or not all(type(label) is int for label in found):
        raise ValueError("its labels are no list of numbers")
    if found and not 0 <= min(found) <= max(found) < classes:
        raise ValueError(f"it holds a class that is none of its {classes}")
    return np.array(found, dtype=np.int64)
