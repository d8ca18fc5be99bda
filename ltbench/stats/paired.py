"""Differences seed by seed, for methods whose runs have their first stage in common.

`erm` and `erm+crt` of one seed train the same network first, so that a good seed of one is a good
seed of the other. Student's t of the differences (Biometrika 6 (1908)) is exact for normal scores
however strongly they agree; it has n − 1 degrees of freedom, where Welch's t has up to 2 (n − 1).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtr, stdtrit

from ltbench.stats.groups import ROUNDING, Groups

FEWEST_PAIRED = 3
"""With two seeds, one degree of freedom costs more than pairing gives."""

_LEVEL = 0.05
_HALVINGS = 50
_NORMAL_DRAWS = ndtri((np.arange(1_000) + 0.5) / 1_000)


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


@dataclass(frozen=True)
class PairedTest:
    """The test of two methods by their differences seed by seed.

    Attributes:
        t: the mean difference over its standard error, that of the test images included.
        df: degrees of freedom of the seeds.
        p: of t; see :func:`paired_test`.
        reach: half of the 95 % interval of the difference.
    """

    t: float
    df: float
    p: float
    reach: float


def paired_test(groups: Groups, one: int, other: int) -> PairedTest | None:
    """Return the test of two methods, or ``None`` where they are not to be compared seed by seed.

    Nor are those whose differences do not vary. Where the error of the test images is known, p is
    the chance that a difference by seeds, spread as Student's t, and one by images, spread
    normally, are together as far from 0 (Behrens and Fisher's fiducial answer to two variances,
    of which one is known here). With Satterthwaite's degrees of freedom it would be too small: at
    three seeds 8 % of the differences of equal methods would be below .05, with this 2 to 4 %.
    """
    share = _difference_variance(groups, one, other)
    if share == 0:
        return None
    by_images = groups.image_variances(np.array([one]), np.array([other]))
    seeds, images = math.sqrt(share), math.sqrt(float(np.max(by_images)))
    difference = float(groups.means[one] - groups.means[other])
    freedom = len(groups.values[one]) - 1.0

    def beyond(distance: float) -> float:
        return float(2 * stdtr(freedom, (images * _NORMAL_DRAWS - distance) / seeds).mean())

    near, far = 0.0, float(stdtrit(freedom, 0.9999)) * seeds + 9 * images
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        near, far = (middle, far) if beyond(middle) > _LEVEL else (near, middle)
    return PairedTest(difference / math.hypot(seeds, images), freedom, beyond(abs(difference)), far)


def _difference_variance(groups: Groups, one: int, other: int) -> float:
    """Return the variance of the mean difference seed by seed; 0 for methods that share nothing."""
    if frozenset((groups.names[one], groups.names[other])) not in groups.pairs:
        return 0.0
    apart = groups.values[one] - groups.values[other]
    largest = max(float(np.abs(groups.values[i]).max()) for i in (one, other))
    if np.ptp(apart) <= ROUNDING * max(1.0, largest):
        return 0.0
    return float(apart.var(ddof=1) / len(apart))
