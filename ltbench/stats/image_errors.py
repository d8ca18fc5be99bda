"""The error that a finite test set adds to differences between methods.

A score is a mean over images, or close to one: what each image contributes to it is how the score
would change without its answer (as in the jackknife; Efron & Stein, Annals of Statistics 9 (1981)
586–596), and the spread of the contributions within each domain and class is the error of drawing
other images. Methods are tested on the same images, so their errors go together: a covariance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ltbench.evaluation.classification import Counts
from ltbench.stats.groups import FloatArray
from ltbench.stats.strata import Strata

METRICS = ("accuracy_average", "accuracy_worst", "macro_f1_average", "macro_f1_worst")
"""The metrics whose error over test images is known."""


@dataclass(frozen=True)
class ImageErrors:
    """How the methods' means would vary over test sets of the same make.

    Attributes:
        names: the methods, k of them.
        values: each metric's means over the seeds, (k,), as the predictions give them.
        covariances: of these means over test sets, (k, k), by metric.
    """

    names: tuple[str, ...]
    values: dict[str, FloatArray]
    covariances: dict[str, FloatArray]


def image_errors(
    predictions: Mapping[str, Sequence[Counts]], label: Counts, domain: Counts
) -> ImageErrors | None:
    """Return the covariance of the methods' means over test images.

    Args:
        predictions: for each method one array (N,) of predicted classes for every seed.
        label: true classes (N,).
        domain: domains (N,).

    Returns:
        The covariances, or ``None`` where a domain has a single image, which says nothing.
    """
    strata = Strata.of(label, domain)
    if strata is None:
        return None
    classes = 1 + int(max(label.max(), *(p.max() for runs in predictions.values() for p in runs)))
    values = np.empty((len(METRICS), len(predictions)))
    influence = np.empty((len(METRICS), len(predictions), len(label)), dtype=np.float32)
    for i, runs in enumerate(predictions.values()):
        found = [_influence(p, label, domain, classes) for p in runs]
        values[:, i] = np.mean([value for value, _ in found], axis=0)
        mean = np.mean([contribution for _, contribution in found], axis=0)
        influence[:, i] = [strata.deviations(line) for line in mean]
    return ImageErrors(
        tuple(predictions),
        dict(zip(METRICS, values, strict=True)),
        {
            metric: np.asarray(lines @ lines.T, dtype=float)
            for metric, lines in zip(METRICS, influence, strict=True)
        },
    )


def _influence(
    prediction: Counts, label: Counts, domain: Counts, classes: int
) -> tuple[FloatArray, FloatArray]:
    """Return a run's scores (metrics,) and each image's contribution to them, (metrics, N)."""
    domains = int(domain.max()) + 1
    cells = domains * classes
    truth, guess = domain * classes + label, domain * classes + prediction
    right = prediction == label
    actual = np.bincount(truth, minlength=cells).astype(float)
    size = actual + np.bincount(guess, minlength=cells)
    hits = np.bincount(truth[right], minlength=cells).astype(float)
    f1 = np.divide(2.0 * hits, size, out=np.zeros(cells), where=actual > 0)
    images = actual.reshape(domains, classes).sum(1)
    present = (actual > 0).reshape(domains, classes).sum(1).astype(float)
    tested = images > 0

    accuracies = _by_domain(hits, images, domains)
    macros = _by_domain(f1, present, domains)
    to_accuracy = right / images[domain]
    # What F1 = 2 hits / (predicted + actual) would be without an image's answer; how many images a
    # class has is given. Of few images a derivative would say far too little.
    fewer = np.maximum(size - 1, 1)
    gain = np.where(actual > 0, f1 - 2.0 * (hits - 1) / fewer, 0.0)
    loss = np.where(actual > 0, f1 - 2.0 * hits / fewer, 0.0)
    to_macro = np.where(right, gain[truth], loss[guess]) / present[domain]

    scores, contributions = [], []
    for values, contribution in ((accuracies, to_accuracy), (macros, to_macro)):
        worst = int(np.argmin(np.where(tested, values, np.inf)))
        scores += [values[tested].mean(), values[worst]]
        contributions += [contribution / tested.sum(), contribution * (domain == worst)]
    return np.array(scores), np.array(contributions)


def _by_domain(values: FloatArray, counts: FloatArray, domains: int) -> FloatArray:
    return np.asarray(values.reshape(domains, -1).sum(1) / np.maximum(counts, 1))
