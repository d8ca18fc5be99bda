"""Welch's t of pairs of methods."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ltbench.stats.groups import FloatArray, Groups

# From so many degrees of freedom on Student's t is the normal distribution for every purpose.
_NORMAL = 1e6


def welch_t(
    groups: Groups, first: NDArray[np.intp], second: NDArray[np.intp]
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return difference, standard error, t and degrees of freedom of pairs of methods.

    Welch, "The generalization of Student's problem when several different population variances are
    involved", Biometrika 34 (1947) 28–35. Methods have two seeds or more. The variance over test
    images is added where it is known, without bounds to its degrees of freedom: images are many.
    Where neither method's seeds vary, and images add nothing, t and the degrees of freedom are NaN:
    nothing says by what to judge the difference.

    Args:
        groups: the methods' scores.
        first: places of the methods from which is subtracted, (pairs,).
        second: places of the methods that are subtracted, (pairs,).
    """
    means, shares = groups.means, groups.variances / groups.counts
    difference = means[first] - means[second]
    error = np.sqrt(shares[first] + shares[second] + groups.image_variances(first, second))
    varied = error > 0
    freedom = groups.counts - 1
    spread = shares[first] ** 2 / freedom[first] + shares[second] ** 2 / freedom[second]
    nothing = np.full(len(difference), np.nan)
    t = np.divide(difference, error, out=nothing.copy(), where=varied)
    df = np.divide(error**4, spread, out=nothing, where=varied & (spread > 0))
    df = np.where(varied, np.minimum(np.where(np.isnan(df), _NORMAL, df), _NORMAL), np.nan)
    return difference, error, t, df
