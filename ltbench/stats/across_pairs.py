"""Two methods across data sets: by how much, how often, and whether they are practically equal.

The data sets at hand are what the difference and its interval are about: seeds are drawn anew, data
sets are not. The signed-rank test is about other data sets, of which those at hand are examples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from ltbench.stats.across import FEWEST_DATASETS
from ltbench.stats.calibration import DRAWS
from ltbench.stats.groups import ROUNDING, FloatArray

SURE = 0.99
"""From this probability on something is said of two methods. From .95 on, 13 % of the pairs whose
true difference lies on the region's edge would be called practically equal; from .99 on, 5 %."""
FEWEST_FOR_VERDICT = 6
"""Below so many data sets nothing is said: by chance alone all of them may lie on one side."""

_PRIOR = 0.5
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class AcrossPair:
    """A method against another across data sets; NaN where there is too little for a number.

    Attributes:
        method: its name.
        difference: method − other, the mean over data sets of the differences of the means over
            seeds, in the metric's own unit.
        low, high: its 95 % interval over seeds.
        improvement: the probability that a run of the method beats one of the other.
        worse, equal, better: probabilities of the Bayesian signed-rank test, which add up to 1.
        verdict: "better", "worse" or "practically equal" where one of them is sure; else empty.
    """

    method: str
    difference: float
    low: float
    high: float
    improvement: float
    worse: float = math.nan
    equal: float = math.nan
    better: float = math.nan
    verdict: str = ""


def across_pair(
    method: str,
    seeds: Sequence[FloatArray],
    others: Sequence[FloatArray],
    *,
    rope: float | None,
    larger_is_better: bool = True,
    draws: int = DRAWS,
) -> AcrossPair:
    """Compare a method with another on the same data sets.

    Args:
        method: its name.
        seeds: its scores, one for each seed, of every data set; one or more of each.
        others: the other method's scores, in the same order of data sets.
        rope: half the width of the region of practical equivalence, in the metric's own unit: means
            closer than this are practically equal. ``None`` leaves the signed-rank test out.
        larger_is_better: whether a method with a higher score is the better one.
        draws: how many times seeds, and weights of data sets, are drawn.
    """
    difference, low, high = mean_difference(seeds, others, draws=draws)
    sign = 1 if larger_is_better else -1
    improvement = probability_of_improvement([sign * s for s in seeds], [sign * s for s in others])
    if rope is None or len(seeds) < FEWEST_DATASETS:
        return AcrossPair(method, difference, low, high, improvement)
    means = sign * np.array([a.mean() - b.mean() for a, b in zip(seeds, others, strict=True)])
    chances = signed_rank(means, rope, draws)
    return AcrossPair(
        method, difference, low, high, improvement, *chances, _verdict(chances, len(means))
    )


def mean_difference(
    seeds: Sequence[FloatArray], others: Sequence[FloatArray], *, draws: int = DRAWS
) -> tuple[float, float, float]:
    """Return the mean difference over data sets with its 95 % interval over seeds.

    A stratified bootstrap (Agarwal et al., "Deep reinforcement learning at the edge of the
    statistical precipice", NeurIPS 2021): seeds are drawn with replacement within each method and
    data set. A few seeds differ less from each other than from those that were not run, so that
    they are drawn √(n/(n−1)) wider, and the percentiles are Student's in place of the normal ones,
    with Satterthwaite's degrees of freedom.

    Returns:
        Difference, low and high. Without an interval (NaN) where a method has a single seed on some
        data set, or where all seeds agree.
    """
    strata = [*seeds, *others]
    datasets = len(seeds)
    difference = float(np.mean([a.mean() - b.mean() for a, b in zip(seeds, others, strict=True)]))
    counts = np.array([len(s) for s in strata], dtype=float)
    if counts.min() < 2:
        return difference, math.nan, math.nan
    shares = np.array([s.var(ddof=1) for s in strata]) / counts
    if math.sqrt(shares.sum()) <= ROUNDING * max(1.0, *(float(np.abs(s).max()) for s in strata)):
        return difference, math.nan, math.nan
    freedom = float(shares.sum() ** 2 / (shares**2 / (counts - 1)).sum())
    rng = np.random.default_rng(0)
    drawn = np.zeros(draws)
    for stratum, sign in zip(strata, [1] * datasets + [-1] * datasets, strict=True):
        n = len(stratum)
        residuals = (stratum - stratum.mean()) * math.sqrt(n / (n - 1))
        drawn += sign * residuals[rng.integers(n, size=(draws, n))].mean(axis=1) / datasets
    tail = (1 - _CONFIDENCE) / 2
    wider = stdtrit(freedom, 1 - tail) / ndtri(1 - tail)
    low, high = difference + wider * np.quantile(drawn, [tail, 1 - tail])
    return difference, float(low), float(high)


def probability_of_improvement(seeds: Sequence[FloatArray], others: Sequence[FloatArray]) -> float:
    """Return the chance that a run of a method scores more than one of another, over data sets.

    The mean over data sets of Mann and Whitney's U over the number of pairs of runs, ties counting
    half (Agarwal et al., NeurIPS 2021, section 4.3).
    """
    return float(
        np.mean(
            [
                (np.sign(a[:, None] - b[None, :]).mean() + 1) / 2
                for a, b in zip(seeds, others, strict=True)
            ]
        )
    )


def signed_rank(
    differences: FloatArray, rope: float, draws: int = DRAWS
) -> tuple[float, float, float]:
    """Return the probabilities that a method is worse than, practically equal to, or better.

    The Bayesian signed-rank test (Benavoli, Mangili, Corani, Zaffalon & Ruggeri, ICML 2014;
    Benavoli, Corani, Demšar & Zaffalon, JMLR 18 (2017), section 4.2): data sets have Dirichlet
    weights, with a prior of half a data set without any difference. Each draw of weights gives
    the shares of pairs of data sets whose mean difference is below −rope, within, and above; the
    greatest share of a draw wins it.

    Args:
        differences: method − other, by data set.
        rope: half the width of the region of practical equivalence, in their unit; 0 for none.
        draws: of weights.
    """
    values = np.concatenate([[0.0], differences])
    sums = values[:, None] + values[None, :]
    above = np.heaviside(sums - 2 * rope, 0.5)
    below = np.heaviside(-sums - 2 * rope, 0.5)
    prior = np.ones(len(values))
    prior[0] = _PRIOR
    weights = np.random.default_rng(0).dirichlet(prior, draws)
    better = np.einsum("ij,jk,ik->i", weights, above, weights, optimize=True)
    worse = np.einsum("ij,jk,ik->i", weights, below, weights, optimize=True)
    winners = np.argmax(np.stack([worse, 1 - worse - better, better]), axis=0)
    chances = np.bincount(winners, minlength=3) / draws
    return float(chances[0]), float(chances[1]), float(chances[2])


def _verdict(chances: tuple[float, float, float], datasets: int) -> str:
    if datasets < FEWEST_FOR_VERDICT:
        return ""
    words = ("worse", "practically equal", "better")
    return next((word for word, p in zip(words, chances, strict=True) if p >= SURE), "")
