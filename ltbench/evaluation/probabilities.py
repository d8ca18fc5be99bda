"""Metrics of the probabilities of all classes; missing where only predicted classes are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.evaluation.metrics import Metrics, spread_over_domains
from ltbench.plugins.predictions import Predictions

Probabilities = NDArray[np.floating[Any]]
FloatArray = NDArray[np.float64]

TOP = 5
_BLOCK = 2**22  # numbers that are looked at together, so that large test sets need no copies


def top5_accuracy(p: Predictions) -> Metrics:
    """Share of images whose class is among the five most probable: pooled and over domains.

    Of equally probable classes the one with the lower index counts as the more probable, as it
    does in a prediction. Missing where there are at most five classes, all of which it would be.
    """
    if p.counts.shape[1] <= TOP:
        return _of_images("top5_accuracy", p, None)
    return _of_images("top5_accuracy", p, lambda q, y: (true_ranks(q, y) < TOP).astype(float))


def brier_score(p: Predictions) -> Metrics:
    """Squared distance of the probabilities from the true class: pooled and over domains.

    Summed over the classes and averaged over the images (Brier, Monthly Weather Review 1950), from
    0, right and sure, to 2, wrong and sure; the worst domain is the one with the largest.
    """
    return _of_images("brier_score", p, brier_scores, worst=max)


def one_vs_rest(p: Predictions) -> Metrics:
    """Area under the ROC curve and average precision, means over classes: pooled and over domains.

    Each class is told from all others by its probability; classes without images, or with all of
    them, are left out. ``macro_auroc`` (Fawcett, Pattern Recognition Letters 2006) is how often an
    image of the class is given a larger probability than another, ties counted half.
    ``macro_auprc`` is the average precision: the precisions at all thresholds, each weighted by the
    rise of the recall there, without interpolation. Missing where no class is present with others.
    """
    names = ("macro_auroc", "macro_auprc")
    if p.probabilities is None:
        return {key: None for name in names for key in spread_over_domains(name, None, [])}
    whole = ranking(p.probabilities, p.y)
    parts = p.by_domain().values()
    if len(parts) > 1:
        of_domains = [ranking(q.probabilities, q.y) for q in parts if q.probabilities is not None]
    else:
        of_domains = [whole]
    found: Metrics = {}
    for name, value, values in zip(names, whole, zip(*of_domains, strict=True), strict=True):
        found |= spread_over_domains(name, value, values)
    return found


def true_ranks(probabilities: Probabilities, y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many classes come before the true one of each image, (N,) in 0…C-1."""
    ranks = np.empty(len(y), dtype=np.int64)
    index = np.arange(probabilities.shape[1])
    for rows in _blocks(*probabilities.shape):
        block, true = probabilities[rows], y[rows, None]
        own = np.take_along_axis(block, true, axis=1)
        ranks[rows] = ((block > own) | ((block == own) & (index < true))).sum(axis=1)
    return ranks


def brier_scores(probabilities: Probabilities, y: NDArray[np.int64]) -> FloatArray:
    """Return the squared distance of each image's probabilities from its class, (N,) in 0…2."""
    scores = np.empty(len(y))
    for rows in _blocks(*probabilities.shape):
        block = probabilities[rows].astype(np.float64)
        block[np.arange(len(block)), y[rows]] -= 1
        scores[rows] = np.einsum("ij,ij->i", block, block)
    return scores


def ranking(
    probabilities: Probabilities, y: NDArray[np.int64]
) -> tuple[float | None, float | None]:
    """Return the mean AUROC and the mean average precision of the classes present with others."""
    images = np.bincount(y, minlength=probabilities.shape[1])
    present = np.flatnonzero((images > 0) & (images < len(y)))
    if not len(present):
        return None, None
    of_class = np.split(np.argsort(y, kind="stable"), np.cumsum(images)[:-1])
    found = []
    for block in _blocks(len(present), len(y)):
        columns = probabilities.T[present[block]]
        positives = [
            np.sort(line[of_class[c]]) for line, c in zip(columns, present[block], strict=True)
        ]
        columns.sort(axis=1)
        found += [_areas(line, own) for line, own in zip(columns, positives, strict=True)]
    areas = np.mean(found, axis=0)
    return float(areas[0]), float(areas[1])


def _areas(every: Probabilities, own: Probabilities) -> tuple[float, float]:
    """Return AUROC and average precision of a class.

    Args:
        every: its probability on all images, ascending.
        own: on the images of the class, ascending.
    """
    at_least = len(every) - np.searchsorted(every, own, "left")
    above = len(every) - np.searchsorted(every, own, "right")
    own_at_least = len(own) - np.searchsorted(own, own, "left")
    own_above = len(own) - np.searchsorted(own, own, "right")
    before = ((above - own_above) + (at_least - own_at_least)) / 2
    others = len(every) - len(own)
    return 1 - float(before.mean()) / others, float((own_at_least / at_least).mean())


def _of_images(
    name: str,
    p: Predictions,
    of: Callable[[Probabilities, NDArray[np.int64]], FloatArray] | None,
    worst: Callable[[Any], float] = min,
) -> Metrics:
    """Return the mean of a score of images: pooled and over domains; missing without a score."""
    if of is None or p.probabilities is None:
        return spread_over_domains(name, None, [])
    scores = of(p.probabilities, p.y)
    domains = [float(scores[p.d == d].mean()) for d in np.unique(p.d)]
    return spread_over_domains(name, float(scores.mean()), domains, worst)


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    """Yield slices that together are all rows, each of a bounded number of values."""
    size = max(1, _BLOCK // max(columns, 1))
    return (slice(at, at + size) for at in range(0, rows, size))
