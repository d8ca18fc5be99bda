"""How far scores would move with another test set of the same make: a bootstrap over images.

Seeds show how training varies; the test set is the same for all of them, and its finite size adds
an error that no number of seeds removes. Images are drawn anew within each domain and class, the
same ones for every method and seed, so that differences between methods are paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from ltbench.evaluation.classification import Counts
from ltbench.stats.groups import FloatArray

RESAMPLES = 1_000
_BLOCK = 100
_METRICS = ("accuracy_average", "accuracy_worst", "macro_f1_average", "macro_f1_worst")


def image_bootstrap(
    predictions: Mapping[str, Sequence[Counts]],
    label: Counts,
    domain: Counts,
    reference: str | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Return percentile intervals over test images, for these trained models.

    Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.

    Args:
        predictions: for each method one array (N,) of predicted classes for every seed.
        label: true classes (N,).
        domain: domains (N,).
        reference: the method that differences are taken from, if any.
        resamples: how many test sets are drawn.
        seed: of the drawing.

    Returns:
        One row for each metric and method: ``metric``, ``label``, ``mean`` over seeds, ``low`` and
        ``high`` (95 %), and ``difference``, ``difference_low``, ``difference_high``, from the
        reference (NaN without one). Values in 0…1.
    """
    classes = 1 + int(max(label.max(), *(p.max() for runs in predictions.values() for p in runs)))
    original = _scores_of_all(predictions, label, domain, np.ones((len(label), 1)), classes)
    drawn: dict[str, list[FloatArray]] = {name: [] for name in predictions}
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, _BLOCK):
        weights = _resample(label, domain, min(_BLOCK, resamples - start), rng)
        for name, scores in _scores_of_all(predictions, label, domain, weights, classes).items():
            drawn[name].append(scores)
    return _intervals(original, {n: np.concatenate(d, axis=1) for n, d in drawn.items()}, reference)


def _intervals(
    original: Mapping[str, FloatArray], drawn: Mapping[str, FloatArray], reference: str | None
) -> pd.DataFrame:
    rows = []
    for m, metric in enumerate(_METRICS):
        for name, scores in drawn.items():
            low, high = np.quantile(scores[m], [0.025, 0.975])
            row = {"metric": metric, "label": name, "mean": original[name][m, 0],
                   "low": low, "high": high, "difference": np.nan, "difference_low": np.nan,
                   "difference_high": np.nan}  # fmt: skip
            if reference is not None and reference in drawn and name != reference:
                apart = np.quantile(scores[m] - drawn[reference][m], [0.025, 0.975])
                row["difference"] = original[name][m, 0] - original[reference][m, 0]
                row["difference_low"], row["difference_high"] = apart
            rows.append(row)
    return pd.DataFrame(rows)


def _resample(label: Counts, domain: Counts, draws: int, rng: np.random.Generator) -> FloatArray:
    """Return how often each image is drawn, (N, draws), within its domain and class."""
    order = np.lexsort((label, domain))
    stratum = np.stack([domain[order], label[order]])
    fresh = np.r_[True, (np.diff(stratum, axis=1) != 0).any(axis=0)]
    start = np.flatnonzero(fresh)
    size = np.diff(np.r_[start, len(label)])
    start, size = np.repeat(start, size), np.repeat(size, size)
    n = len(label)
    weights = np.empty((n, draws))
    for b in range(draws):
        chosen = start + (rng.random(n) * size).astype(np.int64)
        weights[order, b] = np.bincount(chosen, minlength=n)
    return weights


def _scores_of_all(
    predictions: Mapping[str, Sequence[Counts]],
    label: Counts,
    domain: Counts,
    weights: FloatArray,
    classes: int,
) -> dict[str, FloatArray]:
    """Return for each method its scores (metrics, draws), the mean over its seeds."""
    return {
        name: np.mean([_scores(p, label, domain, weights, classes) for p in runs], axis=0)
        for name, runs in predictions.items()
    }


def _scores(
    prediction: Counts, label: Counts, domain: Counts, weights: FloatArray, classes: int
) -> FloatArray:
    """Return average and worst accuracy and macro-F1 of one run, (4, draws)."""
    domains = int(domain.max()) + 1
    cells, draws = domains * classes, weights.shape[1]
    right = np.flatnonzero(prediction == label)
    hits = _sums(domain * classes + label, right, cells, weights)
    predicted = _sums(domain * classes + prediction, np.arange(len(label)), cells, weights)
    actual = np.bincount(domain * classes + label, minlength=cells)[:, None]
    f1 = np.divide(2 * hits, predicted + actual, out=np.zeros_like(hits), where=actual > 0)
    shape = (domains, classes, draws)
    present = (actual > 0).reshape(domains, classes).sum(1)
    images = actual.reshape(domains, classes).sum(1)
    tested = images > 0
    accuracy = hits.reshape(shape).sum(1)[tested] / images[tested, None]
    macro = f1.reshape(shape).sum(1)[tested] / present[tested, None]
    return np.stack([accuracy.mean(0), accuracy.min(0), macro.mean(0), macro.min(0)])


def _sums(cell: Counts, images: Counts, cells: int, weights: FloatArray) -> FloatArray:
    """Return the weights of some images summed by cell, (cells, draws)."""
    ones = np.ones(len(images))
    table = sparse.csr_array((ones, (cell[images], images)), shape=(cells, len(cell)))
    return np.asarray(table @ weights)
