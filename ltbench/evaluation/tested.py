"""What a run keeps of its answers on the test images, whoever gave them: one model or several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.evaluation.compute import compute_domain_metrics, compute_metrics
from ltbench.evaluation.metrics import confusion_matrix
from ltbench.plugins.predictions import Predictions
from ltbench.results.documents import SPARSE

MOST_CELLS = 4_000_000
"""Numbers of confusion matrices that a result holds one by one."""


def answer_arrays(found: Predictions) -> dict[str, NDArray[Any]]:
    """Return what ``predictions.npz`` holds."""
    return {
        "class": found.y.astype(np.int32),
        "domain": found.d.astype(np.int32),
        "prediction": found.prediction.astype(np.int32),
        "confidence": found.confidence.astype(np.float32),
        "loss": found.nll.astype(np.float32),
    }


def results_of_test(
    found: Predictions, domains: tuple[str, ...], sets: Mapping[str, NDArray[np.bool_]]
) -> dict[str, Any]:
    """Return the part of ``result.json`` that the test gives.

    Args:
        found: the answers on all test images, (N,).
        domains: names of the domains.
        sets: which images make each further test set, (N,).

    Raises:
        PluginError: a metric fails.
    """
    further = {name: compute_metrics(found.where(chosen)) for name, chosen in sets.items()}
    return {
        "test": compute_metrics(found),
        **({"test_sets": further} if further else {}),
        "domains": compute_domain_metrics(found, domains),
        "confusion": _confusion(found, domains),
    }


def _confusion(found: Predictions, domains: tuple[str, ...]) -> dict[str, Any]:
    """Return the confusion matrix of each domain: whole, or where that is large what is not zero.

    Eight thousand classes have a matrix of 66 million numbers, and three hundred domains of two
    hundred classes nearly ten million, almost all of which are zero.
    """
    parts = {domains[d]: part for d, part in found.by_domain().items()}
    classes = found.counts.shape[1]
    if len(parts) * classes**2 <= MOST_CELLS:
        return {name: confusion_matrix(part).tolist() for name, part in parts.items()}
    sparse = {}
    for name, part in parts.items():
        cells, images = np.unique(part.y * classes + part.prediction, return_counts=True)
        columns = (*np.divmod(cells, classes), images)
        sparse[name] = dict(zip(SPARSE, (column.tolist() for column in columns), strict=True))
    return sparse
