"""The null distribution of a test's statistic, drawn rather than looked up.

Welch's F and the Games–Howell q are only approximately distributed as their tables say, and with
few seeds and many methods the approximation fails on the wrong side: with five seeds and twenty
equal methods Welch's ANOVA at 5 % finds a difference in 14 % of the cases and Games–Howell in 12 %,
with three seeds in 29 % and 19 %. The parametric bootstrap draws the statistic under "all means
equal" with the variances that were seen, each drawn anew, and holds the level. Sources:
Krishnamoorthy, Lu & Mathew, Computational Statistics & Data Analysis 51 (2007) 5731–5742, for the
omnibus test; Zhang, Communications in Statistics – Theory and Methods 44 (2015), for all pairs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from ltbench.stats.groups import FloatArray, Groups

DRAWS = 9_999
_BLOCK = 500


def null_moments(
    groups: Groups, draws: int = DRAWS, seed: int = 0
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield blocks of means and variances, each (block, k), of methods that do not differ.

    A mean is drawn from N(0, s²/n) and a variance from s² χ²(n−1)/(n−1), with n and s² those of the
    method.
    """
    rng = np.random.default_rng(seed)
    counts, variances = groups.counts, groups.variances
    for start in range(0, draws, _BLOCK):
        shape = (min(_BLOCK, draws - start), len(counts))
        means = rng.standard_normal(shape) * np.sqrt(variances / counts)
        yield means, variances * rng.chisquare(counts - 1, size=shape) / (counts - 1)


def exceedance(observed: ArrayLike, drawn: FloatArray) -> FloatArray:
    """Return (1 + #{drawn ≥ observed}) / (1 + #drawn) for every observed value; NaN stays NaN.

    Counting the observation itself keeps a Monte-Carlo p-value from being too small (Davison &
    Hinkley, Bootstrap Methods and their Application, 1997, eq. 4.11).
    """
    observed = np.asarray(observed, dtype=float)
    drawn = np.sort(drawn)
    above = len(drawn) - np.searchsorted(drawn, observed - 1e-12, side="left")
    return np.where(np.isnan(observed), np.nan, (1 + above) / (1 + len(drawn)))
