"""Accuracy and F1 from confusion matrices, whatever classes are absent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.stats.groups import FloatArray

Counts = NDArray[Any]


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
    actual = confusion.sum(-1)
    scores = _ratio(2 * hits, actual + confusion.sum(-2))
    return np.where(actual > 0, scores, np.nan)


def accuracy(confusion: Counts) -> float:
    """Return the share of right predictions in a matrix (C, C); NaN without images."""
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total else float("nan")


def macro_f1(confusion: Counts) -> float:
    """Return the mean F1 over the classes that have images in the matrix (C, C)."""
    scores = f1(confusion)
    return float(np.nanmean(scores)) if (~np.isnan(scores)).any() else float("nan")


def weighted_f1(confusion: Counts) -> float:
    """Return the mean F1 over classes, weighted by their images, of a matrix (C, C)."""
    actual = confusion.sum(-1)
    total = actual.sum()
    return float(np.nansum(f1(confusion) * actual) / total) if total else float("nan")


def _ratio(part: Counts, whole: Counts) -> FloatArray:
    part, whole = part.astype(float), whole.astype(float)
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
