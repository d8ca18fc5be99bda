"""The answers of several models together: the mean of their probabilities."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ltbench.plugins.predictions import Predictions
from ltbench.plugins.shots import ShotRule

_LEAST = float(np.finfo(np.float64).tiny)


def mean_probabilities(members: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean of probabilities (N, C) of several models, one held at a time."""
    total: NDArray[np.float64] | None = None
    number = 0
    for probabilities in members:
        total = probabilities.copy() if total is None else total + probabilities
        number += 1
    if total is None:
        raise ValueError("the mean of no models")
    return total / number


def answers(
    probabilities: NDArray[np.float64],
    y: NDArray[np.int64],
    d: NDArray[np.int64],
    counts: NDArray[np.int64],
    shots: ShotRule,
) -> Predictions:
    """Return what metrics see of probabilities (N, C).

    Args:
        probabilities: of every image and class.
        y: true classes, (N,).
        d: domains, (N,).
        counts: training images per domain and class, (D, C).
        shots: the rule of many- and few-shot pairs.
    """
    rows = np.arange(len(y))
    return Predictions(
        y=y,
        d=d,
        prediction=probabilities.argmax(1),
        confidence=probabilities.max(1),
        nll=-np.log(np.maximum(probabilities[rows, y], _LEAST)),
        counts=counts,
        probabilities=probabilities,
        **shots.as_dict(),
    )
