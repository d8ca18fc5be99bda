"""The suite's metrics: functions of :class:`Predictions` that return flat names and values.

A value is a float, or ``None`` where the data hold nothing to compute it from. *Average* and
*worst* are the mean and the minimum over domains.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ltbench.evaluation import classification
from ltbench.evaluation.classification import f1_of_answers, mean_of_present
from ltbench.plugins.predictions import Predictions

Metrics = dict[str, float | None]

ECE_BINS = 15


def accuracy(p: Predictions) -> Metrics:
    """Top-1 accuracy: pooled, over domains, of the worst class and of the worst pair."""
    per_class = _accuracy_by(p.y, p.correct)
    pairs = _accuracy_by(p.d * p.counts.shape[1] + p.y, p.correct)
    return {
        "accuracy": float(p.correct.mean()),
        **_over_domains("accuracy", p, lambda part: float(part.correct.mean())),
        "accuracy_worst_class": float(per_class.min()),
        "accuracy_worst_pair": float(pairs.min()),
    }


def macro_f1(p: Predictions) -> Metrics:
    """Macro-F1 over the classes present in the images: pooled, over domains, worst class."""
    return {
        "macro_f1": mean_of_present(_f1(p)),
        **_over_domains("macro_f1", p, lambda part: mean_of_present(_f1(part))),
        "f1_worst_class": float(np.nanmin(_f1(p))),
    }


def shots(p: Predictions) -> Metrics:
    """Accuracy on the images of many-, medium-, few- and zero-shot domain-class pairs.

    Buckets are over pairs by their number of training images n: many-shot with n > ``many``,
    few-shot with 0 < n ≤ ``few``, medium-shot between, zero-shot with n = 0. With one domain they
    are the head, middle and tail classes.
    """
    n = p.counts[p.d, p.y]
    buckets = {
        "accuracy_many": n > p.many,
        "accuracy_medium": (n <= p.many) & (n > p.few),
        "accuracy_few": (n <= p.few) & (n > 0),
        "accuracy_zero": n == 0,
    }
    return {
        name: float(p.correct[mask].mean()) if mask.any() else None
        for name, mask in buckets.items()
    }


def loss(p: Predictions) -> Metrics:
    """Mean negative log-likelihood in nats: pooled and over domains (worst is the largest)."""
    domains = [float(part.nll.mean()) for part in p.by_domain().values()]
    return {
        "loss": float(p.nll.mean()),
        "loss_average": float(np.mean(domains)),
        "loss_worst": float(np.max(domains)),
    }


def ece(p: Predictions) -> Metrics:
    """Expected calibration error with 15 equal bins (Guo et al., ICML 2017, eq. 3)."""
    bins = np.clip(np.ceil(p.confidence * ECE_BINS).astype(np.int64) - 1, 0, ECE_BINS - 1)
    gap = np.bincount(bins, p.correct - p.confidence, minlength=ECE_BINS)
    return {"ece": float(np.abs(gap).sum() / len(p))}


def confusion_matrix(p: Predictions) -> NDArray[np.int64]:
    """Return the counts (C, C) with true classes as rows; C is fixed by the data set."""
    return classification.confusion_matrix(p.y, p.prediction, p.counts.shape[1])


def _f1(p: Predictions) -> NDArray[np.float64]:
    return f1_of_answers(p.y, p.prediction, p.counts.shape[1])


def _accuracy_by(groups: NDArray[np.int64], correct: NDArray[np.bool_]) -> NDArray[np.float64]:
    images = np.bincount(groups)
    hits = np.bincount(groups, weights=correct)
    return hits[images > 0] / images[images > 0]


def _over_domains(name: str, p: Predictions, of: Callable[[Predictions], float]) -> Metrics:
    values = [of(part) for part in p.by_domain().values()]
    return {f"{name}_average": float(np.mean(values)), f"{name}_worst": float(np.min(values))}
