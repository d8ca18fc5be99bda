"""What the data say about the assumptions of the tests. Shown beside them; switches nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from ltbench.stats.calibration import exceedance
from ltbench.stats.groups import FloatArray, Groups

DRAWS = 999
"""How often normal scores are drawn for the p-value of Shapiro and Wilk's W."""


@dataclass(frozen=True)
class Diagnostics:
    """Diagnostics of one metric; NaN where there is too little data.

    With five seeds a method these tests find only gross departures: a large p-value does not show
    that an assumption holds, and must not choose the test.

    Attributes:
        residuals: how many seeds the tests rest on.
        shapiro_w, shapiro_p: Shapiro–Wilk (Biometrika 52 (1965)) on the residuals, each scaled by
            its method's standard deviation: are they normal? Scaled residuals of few seeds are not,
            whatever the scores are, so p is the share of draws of normal scores, of as many methods
            and seeds, with a smaller W.
        levene_f, levene_p: Brown–Forsythe (JASA 69 (1974)): are the variances equal?
        sd_low, sd_high: the smallest and the greatest standard deviation of a method.
    """

    residuals: int
    shapiro_w: float = math.nan
    shapiro_p: float = math.nan
    levene_f: float = math.nan
    levene_p: float = math.nan
    sd_low: float = math.nan
    sd_high: float = math.nan


@cache
def _drawn_w(counts: tuple[int, ...]) -> FloatArray:
    """Return −W of the scaled residuals of normal scores, (draws,)."""
    from scipy import stats

    rng = np.random.default_rng(0)
    method = np.repeat(np.arange(len(counts)), counts)
    seeds = np.array(counts)
    drawn = np.empty(DRAWS)
    for i in range(DRAWS):
        scores = rng.standard_normal(len(method))
        residuals = scores - (np.bincount(method, scores) / seeds)[method]
        deviations = np.sqrt(np.bincount(method, residuals**2) / (seeds - 1))
        drawn[i] = -stats.shapiro(residuals / deviations[method]).statistic
    return drawn


def _normality(observed: float, counts: FloatArray) -> float:
    return float(exceedance(-observed, _drawn_w(tuple(sorted(counts.astype(int))))))


def diagnose(groups: Groups) -> Diagnostics:
    """Return the diagnostics of methods with at least two seeds that do not all agree."""
    from scipy import stats  # takes as long to import as all else of a leaderboard

    usable = groups.keep(groups.variances > 0)
    if not usable.names:
        return Diagnostics(0)
    deviations = np.sqrt(usable.variances)
    residuals = np.concatenate(
        [(v - v.mean()) / sd for v, sd in zip(usable.values, deviations, strict=True)]
    )
    shapiro = (math.nan, math.nan)
    if len(residuals) >= 3:
        observed = float(stats.shapiro(residuals).statistic)
        shapiro = observed, _normality(observed, usable.counts)
    # With two seeds a method, deviations from its median are equal and the test degenerates.
    testable = len(usable.names) >= 2 and (usable.counts >= 3).all()
    levene = stats.levene(*usable.values, center="median") if testable else (math.nan, math.nan)
    return Diagnostics(
        len(residuals),
        float(shapiro[0]),
        float(shapiro[1]),
        float(levene[0]),
        float(levene[1]),
        float(deviations.min()),
        float(deviations.max()),
    )
