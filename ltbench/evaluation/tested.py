"""What a run keeps of its answers on the test images, whoever gave them: one model or several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.evaluation.compute import compute_domain_metrics, compute_metrics
from ltbench.evaluation.metrics import confusion_matrix
from ltbench.plugins.predictions import Predictions


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
        "confusion": {
            domains[d]: confusion_matrix(part).tolist() for d, part in found.by_domain().items()
        },
    }
