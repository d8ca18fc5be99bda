"""How large a difference is, in units of the spread over seeds."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammaln

from ltbench.stats.groups import FloatArray


def hedges_g(a: FloatArray, b: FloatArray) -> float:
    """Return Hedges' g of a − b: the difference in pooled standard deviations, freed of its bias.

    Hedges, "Distribution theory for Glass's estimator of effect size and related estimators",
    Journal of Educational Statistics 6 (1981) 107–128, with the exact correction
    J(m) = Γ(m/2) / (√(m/2) Γ((m−1)/2)). NaN where the pooled spread is 0 or unknown.
    """
    m = len(a) + len(b) - 2
    if len(a) < 1 or len(b) < 1 or m < 2:
        return math.nan
    squares = ((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum()
    spread = math.sqrt(squares / m)
    difference = float(a.mean() - b.mean())
    if spread <= 1e-12 * max(1.0, abs(float(a.mean())), abs(float(b.mean()))):
        return math.nan
    correction = math.exp(float(gammaln(m / 2) - gammaln((m - 1) / 2))) / math.sqrt(m / 2)
    return float(correction * difference / np.float64(spread))
