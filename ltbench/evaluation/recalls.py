"""Metrics of classes that count alike, however many images they have: means of recalls and of F1.

A recall is the accuracy on the images of one class; of classes without images there is none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ltbench.evaluation.classification import f1_of_answers
from ltbench.evaluation.metrics import Metrics, over_domains
from ltbench.plugins.predictions import Predictions

FloatArray = NDArray[np.float64]

WORST_PARTS = 10
"""The worst classes are one of so many parts of all."""


def class_recalls(p: Predictions) -> Metrics:
    """Means of the recalls of the classes present: pooled and over domains.

    ``balanced_accuracy`` is their arithmetic mean (Brodersen et al., ICPR 2010), ``gmean`` the
    geometric one (Sun et al., ICDM 2006) and ``hmean`` the harmonic one (Du & Wu, CVPR 2023). The
    last two are 0 where a class has no image right: no floor is put under a recall.
    ``accuracy_worst_tenth`` is the mean over the tenth of the classes with the lowest recalls,
    rounded down to whole classes but at least one.
    """
    recalls = recalls_of(p)
    worst = np.sort(recalls)[: max(1, len(recalls) // WORST_PARTS)]
    return {
        **over_domains("balanced_accuracy", p, lambda part: float(recalls_of(part).mean())),
        **over_domains("gmean", p, lambda part: geometric_mean(recalls_of(part))),
        **over_domains("hmean", p, lambda part: harmonic_mean(recalls_of(part))),
        "accuracy_worst_tenth": float(worst.mean()),
    }


def adjusted_accuracy(p: Predictions) -> Metrics:
    """Mean of the accuracies of the domain-class pairs that have images.

    The adjusted accuracy of the literature on subpopulation shift, whose groups are pairs of a
    class and an attribute (Yang et al., ICML 2023, arXiv:2302.12254): the attribute is the domain.
    """
    classes = p.counts.shape[1]
    return {"adjusted_accuracy": float(_accuracies(p.d * classes + p.y, p).mean())}


def shot_f1(p: Predictions) -> Metrics:
    """Mean F1 of many-, medium-, few- and zero-shot domain-class pairs.

    As ``accuracy_many`` and the like are means over the pairs that have test images, each counted
    alike. A pair's F1 is that of its class among the images of its domain.
    """
    f1 = np.full(p.counts.shape, np.nan)
    for domain, part in p.by_domain().items():
        f1[domain] = f1_of_answers(part.y, part.prediction, p.counts.shape[1])
    found: Metrics = {}
    for shot, pairs in p.shots.buckets(p.counts).items():
        known = f1[pairs & ~np.isnan(f1)]
        found[f"f1_{shot}"] = float(known.mean()) if len(known) else None
    return found


def recalls_of(p: Predictions) -> FloatArray:
    """Return the recalls of the classes that have images, in 0…1."""
    return _accuracies(p.y, p)


def geometric_mean(recalls: FloatArray) -> float:
    """Return the geometric mean of numbers from 0; 0 where one is 0."""
    return float(np.exp(np.log(recalls).mean())) if recalls.all() else 0.0


def harmonic_mean(recalls: FloatArray) -> float:
    """Return the harmonic mean of numbers from 0; 0 where one is 0."""
    return float(len(recalls) / (1 / recalls).sum()) if recalls.all() else 0.0


def _accuracies(groups: NDArray[np.int64], p: Predictions) -> FloatArray:
    """Return the accuracy of each group of images that there is."""
    images = np.bincount(groups)
    hits = np.bincount(groups, weights=p.correct)
    return hits[images > 0] / images[images > 0]
