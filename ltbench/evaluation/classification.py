"""Accuracy and F1 of each class, whatever classes are absent. Nothing here imports torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[Any]
FloatArray = NDArray[np.float64]


def confusion_matrix(label: Counts, prediction: Counts, classes: int) -> NDArray[np.int64]:
    """Return how often each true class (rows) was given each prediction (columns)."""
    flat = np.bincount(label * classes + prediction, minlength=classes * classes)
    return flat.reshape(classes, classes)


def recall(confusion: Counts) -> FloatArray:
    """Return the accuracy of every class (..., C) of matrices (..., C, C); NaN without images."""
    return _ratio(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-1))


def f1(confusion: Counts) -> FloatArray:
    """Return the F1 of every class (..., C) of matrices (..., C, C); NaN without images.

    2 TP / (2 TP + FP + FN), van Rijsbergen, Information Retrieval (1979).
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return _f1(hits, confusion.sum(-1), confusion.sum(-2))


def f1_of_answers(label: Counts, prediction: Counts, classes: int) -> FloatArray:
    """Return the F1 of every class (C,) without its matrix, which thousands of classes make large.

    NaN for classes without images.
    """
    counts = (label[label == prediction], label, prediction)
    return _f1(*(np.bincount(which, minlength=classes) for which in counts))


def accuracy(confusion: Counts) -> float:
    """Return the share of right predictions in a matrix (C, C); NaN without images."""
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total else float("nan")


def macro_f1(confusion: Counts) -> float:
    """Return the mean F1 over the classes that have images in the matrix (C, C)."""
    return mean_of_present(f1(confusion))


def mean_of_present(scores: FloatArray) -> float:
    """Return the mean over the classes (C,) that have images; NaN where none has."""
    present = scores[~np.isnan(scores)]
    return float(present.mean()) if len(present) else float("nan")


def weighted_f1(confusion: Counts) -> float:
    """Return the mean F1 over classes, weighted by their images, of a matrix (C, C)."""
    actual = confusion.sum(-1)
    total = actual.sum()
    return float(np.nansum(f1(confusion) * actual) / total) if total else float("nan")


def _f1(hits: Counts, actual: Counts, predicted: Counts) -> FloatArray:
    return np.where(actual > 0, _ratio(2 * hits, actual + predicted), np.nan)


def _ratio(part: Counts, whole: Counts) -> FloatArray:
    part, whole = part.astype(float), whole.astype(float)
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
