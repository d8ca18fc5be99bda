"""Reads the files in which the digit data sets are published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.api import DataError, read_file
from ltbench_datasets.idx_files import FILES as MNIST_FILES
from ltbench_datasets.idx_files import read_idx
from ltbench_datasets.mat_files import read_arrays

FILES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "mnist": MNIST_FILES,
    "mnist-m": {"train": ("mnist_m_train.pt",), "test": ("mnist_m_test.pt",)},
    "svhn": {"train": ("train_32x32.mat",), "test": ("test_32x32.mat",)},
}
"""The files of each domain and part, as published."""


@dataclass(frozen=True)
class LabelledDigits:
    """Images (N, H, W, 1 or 3) uint8 with their digits (N,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


def read_digits(domain: str, paths: Sequence[Path]) -> LabelledDigits:
    """Read the images and digits of one domain and part.

    Raises:
        DataError: a file is broken, or does not hold such images.
    """
    readers = {"mnist": _read_idx_pair, "mnist-m": _read_tensors, "svhn": _read_mat}
    try:
        images, labels = readers[domain](paths)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
            raise ValueError(f"it holds {images.dtype} images of shape {images.shape}")
        if labels.shape != images.shape[:1] or not set(np.unique(labels)) <= set(range(10)):
            raise ValueError(f"{len(images)} images come with {labels.shape} labels")
    except Exception as error:  # each format's reader raises errors of its own
        raise DataError(
            f"the digits in {paths[0]} cannot be read ({type(error).__name__}: {error}): remove "
            "the file, then prepare the data set again"
        ) from error
    return LabelledDigits(images, labels.astype(np.int64))


def _read_idx_pair(paths: Sequence[Path]) -> tuple[NDArray[Any], NDArray[Any]]:
    images, labels = (read_idx(path) for path in paths)
    return images[..., None], labels


def _read_tensors(paths: Sequence[Path]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Read MNIST-M's pair of tensors; torch is imported for these files alone."""
    import torch

    images, labels = torch.load(paths[0], map_location="cpu", weights_only=True)
    return images.numpy(), labels.numpy()


def _read_mat(paths: Sequence[Path]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Read SVHN's MATLAB file: images (H, W, 3, N), and 10 for the digit 0."""
    table = read_arrays(read_file(paths[0]), ("X", "y"))
    images = np.ascontiguousarray(table["X"].transpose(3, 0, 1, 2))
    return images, table["y"].reshape(-1).astype(np.int64) % 10
