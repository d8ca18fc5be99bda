"""The suite's metrics: functions of :class:`Predictions` that return flat names and values.

A value is a float, or ``None`` where the data hold nothing to compute it from. *Average* and
*worst* are the mean and the minimum over domains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

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
    pairs = _accuracy_by(_pair(p), p.correct)
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
    """Accuracy of many-, medium-, few- and zero-shot domain-class pairs, by two means.

    A pair's shot is decided by its training images (:attr:`Predictions.shots`); with one domain the
    pairs are the classes: head, middle and tail. ``accuracy_many`` and the like are the published
    quantity: the mean over the pairs of each pair's accuracy, whatever number of test images it has
    (Liu et al., CVPR 2019; Yang et al., ECCV 2022). ``accuracy_many_pooled`` and the like are over
    the images. They differ where pairs have unequal numbers of test images.
    """
    pairs = p.counts.size
    images = np.bincount(_pair(p), minlength=pairs)
    hits = np.bincount(_pair(p)[p.correct], minlength=pairs)
    table = zip(p.counts.ravel().tolist(), hits.tolist(), images.tolist(), strict=True)
    return p.shots.accuracies(table)


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


def adaptive_ece(p: Predictions) -> Metrics:
    """Calibration error of the confidence with 15 bins of as many images each.

    Equal-mass bins: Nguyen & O'Connor, EMNLP 2015; Mukhoti et al., NeurIPS 2020. Images of the same
    confidence stand in the same bin, so that their order does not matter; bins are less equal then.
    """
    ranked = np.sort(p.confidence)
    last = np.ceil(np.arange(1, ECE_BINS) * len(p) / ECE_BINS).astype(np.int64) - 1
    bins = np.searchsorted(ranked[np.maximum(last, 0)], p.confidence)
    gap = np.bincount(bins, p.correct - p.confidence, minlength=ECE_BINS)
    return {"adaptive_ece": float(np.abs(gap).sum() / len(p))}


def confusion_matrix(p: Predictions) -> NDArray[np.int64]:
    """Return the counts (C, C) with true classes as rows; C is fixed by the data set."""
    return classification.confusion_matrix(p.y, p.prediction, p.counts.shape[1])


def over_domains(name: str, p: Predictions, of: Callable[[Predictions], float]) -> Metrics:
    """Return a value of all images, and its mean and minimum over domains, under flat names."""
    return spread_over_domains(name, of(p), [of(part) for part in p.by_domain().values()])


def spread_over_domains(
    name: str,
    value: float | None,
    domains: Sequence[float | None],
    worst: Callable[[Any], float] = min,
) -> Metrics:
    """Return a value of all images, and the mean and the worst of the domains that have one.

    Args:
        name: of the value.
        value: of all images.
        domains: of each domain.
        worst: ``max`` where less is better.
    """
    known = [found for found in domains if found is not None]
    return {
        name: value,
        f"{name}_average": float(np.mean(known)) if known else None,
        f"{name}_worst": float(worst(known)) if known else None,
    }


def _f1(p: Predictions) -> NDArray[np.float64]:
    return f1_of_answers(p.y, p.prediction, p.counts.shape[1])


def _pair(p: Predictions) -> NDArray[np.int64]:
    """Return the domain-class pair of each image, as one number (N,)."""
    return p.d * p.counts.shape[1] + p.y


def _accuracy_by(groups: NDArray[np.int64], correct: NDArray[np.bool_]) -> NDArray[np.float64]:
    images = np.bincount(groups)
    hits = np.bincount(groups, weights=correct)
    return hits[images > 0] / images[images > 0]


def _over_domains(name: str, p: Predictions, of: Callable[[Predictions], float]) -> Metrics:
    values = [of(part) for part in p.by_domain().values()]
    return {f"{name}_average": float(np.mean(values)), f"{name}_worst": float(np.min(values))}
