"""Reads the pickles in which CIFAR is published, without running any code from them."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core.multiarray import _reconstruct
from numpy.typing import NDArray

from ltbench.api import DataError

SIDE = 32
# All that the published files name; NumPy's module has had two names.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): lambda text, encoding: text.encode("latin1"),
}


class _Unpickler(pickle.Unpickler):
    """Knows arrays, lists, dictionaries, numbers and text, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no image file needs")
        return _ALLOWED[module, name]


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
        with path.open("rb") as file:
            table = _Unpickler(file, encoding="bytes").load()
        pixels = np.asarray(table[b"data"])
        y = np.asarray(table[labels.encode()])
        if pixels.dtype != np.uint8 or y.dtype.kind not in "iu":
            raise ValueError(f"it holds {pixels.dtype} images and {y.dtype} labels")
        images = pixels.reshape(len(y), 3, SIDE, SIDE)
        if len(y) and not 0 <= y.min() <= y.max() < classes:
            raise ValueError(f"it holds the class {y.max()} of {classes}")
    except Exception as error:  # a broken pickle raises anything
        raise DataError(
            f"the CIFAR file {path} cannot be read ({type(error).__name__}: {error}): remove its "
            "folder, then prepare the data set again"
        ) from error
    return images, y.astype(np.int64)
