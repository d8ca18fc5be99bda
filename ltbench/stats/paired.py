"""Differences seed by seed, for methods whose runs have their first stage in common.

`erm` and `erm+crt` of one seed train the same network first, so that a good seed of one is a good
seed of the other. Student's t of the differences (Biometrika 6 (1908)) is exact for normal scores
however strongly they agree; it has n − 1 degrees of freedom, where Welch's t has up to 2 (n − 1).
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ltbench.stats.groups import ROUNDING, FloatArray, Groups
from ltbench.stats.welch import NORMAL, welch_t

FEWEST_PAIRED = 3
"""With two seeds, one degree of freedom costs more than pairing gives."""


def paired_methods(scores: pd.DataFrame, reference: str, shared: Collection[str]) -> frozenset[str]:
    """Return the methods that are compared with the reference seed by seed.

    Those that share its first stage and have the same three seeds or more as it has, on every
    metric.

    Args:
        scores: columns ``label``, ``seed``, ``metric``, ``value``.
        reference: the method that all others are compared with.
        shared: the methods whose runs share the first stage of its runs.
    """
    known = scores.dropna(subset=["value"])
    seeds = known.groupby(["label", "metric"], sort=False)["seed"].agg(tuple)
    own = {metric: seeds.get((reference, metric)) for metric in known["metric"].unique()}
    return frozenset(
        label
        for label in shared
        if own
        and all(
            found is not None
            and len(set(found)) == len(found) >= FEWEST_PAIRED
            and seeds.get((label, metric)) == found
            for metric, found in own.items()
        )
    )


def pair_t(
    groups: Groups, first: NDArray[np.intp], second: NDArray[np.intp]
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return difference, standard error, t and degrees of freedom of pairs of methods.

    As :func:`~ltbench.stats.welch.welch_t`, but from the differences seed by seed for the pairs
    that are in ``groups.pairs``. Where their differences do not vary Welch's t stays.
    """
    difference, error, t, df = welch_t(groups, first, second)
    images = np.broadcast_to(groups.image_variances(first, second), difference.shape)
    for place, (i, j) in enumerate(zip(first, second, strict=True)):
        share = _difference_variance(groups, int(i), int(j))
        if share > 0:
            squared = share + images[place]
            error[place] = np.sqrt(squared)
            t[place] = difference[place] / error[place]
            freedom = len(groups.values[i]) - 1
            df[place] = min(squared**2 / share**2 * freedom, NORMAL)
    return difference, error, t, df


def only_pair(groups: Groups) -> bool:
    """Return whether these are two methods alone, and their differences seed by seed vary."""
    return len(groups.names) == 2 and _difference_variance(groups, 0, 1) > 0


def _difference_variance(groups: Groups, one: int, other: int) -> float:
    """Return the variance of the mean difference seed by seed; 0 for methods that share nothing."""
    if frozenset((groups.names[one], groups.names[other])) not in groups.pairs:
        return 0.0
    apart = groups.values[one] - groups.values[other]
    largest = max(float(np.abs(groups.values[i]).max()) for i in (one, other))
    if np.ptp(apart) <= ROUNDING * max(1.0, largest):
        return 0.0
    return float(apart.var(ddof=1) / len(apart))
