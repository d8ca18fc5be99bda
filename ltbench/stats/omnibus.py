"""Do the methods differ at all? Classical and Welch's one-way analysis of variance."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import fdtrc

from ltbench.stats.calibration import DRAWS, exceedance, has_families, null_moments
from ltbench.stats.groups import FloatArray, Groups
from ltbench.stats.paired import paired_test


@dataclass(frozen=True)
class Omnibus:
    """The outcome of an analysis of variance; NaN throughout where ``reason`` says why.

    Attributes:
        test: ``classical``, ``Welch``, or ``paired`` for two methods alone that share their first
            stage: F is then the square of t of their differences seed by seed.
        statistic: F, with ``df1`` and ``df2`` degrees of freedom.
        p: from the F distribution, as textbooks and papers print it.
        p_calibrated: from the parametric bootstrap, for Welch's test; claims rest on this one. It
            covers other test images too, where their error is known (``images`` of the groups).
        omega_squared: estimated share of the variance that the methods explain, from 0 to 1:
            df1 (F − 1) / (df1 (F − 1) + N) (Hays 1963; with Welch's F as in Kirk, Experimental
            Design, 4th ed. 2013). Negative estimates are given as 0.
        methods: how many methods the test compared.
        left_out: methods that it could not use, because their seeds all agree or are too few.
    """

    test: str
    statistic: float = math.nan
    df1: float = math.nan
    df2: float = math.nan
    p: float = math.nan
    p_calibrated: float = math.nan
    omega_squared: float = math.nan
    methods: int = 0
    left_out: tuple[str, ...] = ()
    reason: str = ""


def classical_anova(groups: Groups) -> Omnibus:
    """Return Fisher's one-way ANOVA, which supposes equal variances (``scipy.stats.f_oneway``)."""
    usable = groups.keep(groups.counts >= 1)
    left_out = tuple(name for name in groups.names if name not in usable.names)
    k, total = len(usable.names), int(usable.counts.sum())
    if k < 2:
        return Omnibus("classical", left_out=left_out, reason="it needs at least two methods")
    if total <= k:
        return Omnibus("classical", left_out=left_out, reason="it needs a method with two seeds")
    if not np.nansum(usable.variances) > 0:
        return Omnibus("classical", left_out=left_out, reason="no method's seeds differ")
    from scipy import stats  # takes as long to import as all else of a leaderboard

    statistic, p = stats.f_oneway(*usable.values)
    return Omnibus(
        "classical",
        float(statistic),
        k - 1,
        total - k,
        float(p),
        omega_squared=_omega_squared(float(statistic), k - 1, total),
        methods=k,
        left_out=left_out,
    )


def welch_anova(groups: Groups, draws: int = DRAWS) -> Omnibus:
    """Return Welch's one-way ANOVA, which does not suppose equal variances.

    Methods whose seeds all agree have no variance to weigh them by and are left out. Of two methods
    that share their first stage it is the square of t of their differences seed by seed.
    """
    usable = groups.keep(groups.variances > 0)
    left_out = tuple(name for name in groups.names if name not in usable.names)
    k = len(usable.names)
    if k < 2:
        return Omnibus(
            "Welch",
            left_out=left_out,
            reason="it needs at least two methods with two seeds or more that do not all agree",
        )
    counts = usable.counts
    if k == 2 and (paired := _paired(usable)):
        return replace(paired, left_out=left_out)
    statistic, df2 = (float(x) for x in welch_f(usable.means, usable.variances, counts))
    return Omnibus(
        "Welch",
        statistic,
        k - 1,
        df2,
        float(fdtrc(k - 1, df2, statistic)),
        _calibrated(usable, draws),
        _omega_squared(statistic, k - 1, float(counts.sum())),
        k,
        left_out,
    )


def _paired(groups: Groups) -> Omnibus | None:
    """Return the test of two methods by their differences seed by seed, where there is one."""
    test = paired_test(groups, 0, 1)
    alone = paired_test(replace(groups, images=None), 0, 1)
    if test is None or alone is None:
        return None
    welch = float(welch_f(groups.means, groups.variances, groups.counts)[0])
    return Omnibus(
        "paired",
        alone.t**2,
        1,
        alone.df,
        alone.p,
        test.p,
        _omega_squared(welch, 1, float(groups.counts.sum())),
        2,
    )


def _calibrated(groups: Groups, draws: int) -> float:
    """Return the p-value of Welch's F among draws under no difference.

    Methods with a common first stage have seeds that agree to an extent that nobody knows. It is
    judged as if they had nothing in common and as if they had everything; the greater p counts.
    """
    counts, added = groups.counts, _mean_image_variance(groups)
    observed = welch_f(groups.means, groups.variances + counts * added, counts)[0]
    return max(
        float(
            exceedance(
                observed,
                np.concatenate(
                    [
                        welch_f(means, variances + counts * added, counts)[0]
                        for means, variances in null_moments(groups, draws, together=together)
                    ]
                ),
            )
        )
        for together in ([False, True] if has_families(groups) else [False])
    )


def _mean_image_variance(groups: Groups) -> float:
    """Return what test images add to a method's variance, apart from what all have in common."""
    first, second = np.triu_indices(len(groups.names), 1)
    return float(np.mean(groups.image_variances(first, second))) / 2


def welch_f(
    means: FloatArray, variances: FloatArray, counts: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return Welch's F and its denominator degrees of freedom over the last axis.

    Welch, "On the comparison of several mean values", Biometrika 38 (1951) 330–336.
    """
    k = means.shape[-1]
    weights = counts / variances
    total = weights.sum(-1, keepdims=True)
    centre = (weights * means).sum(-1, keepdims=True) / total
    between = (weights * (means - centre) ** 2).sum(-1) / (k - 1)
    spread = ((1 - weights / total) ** 2 / (counts - 1)).sum(-1)
    statistic = between / (1 + 2 * (k - 2) / (k**2 - 1) * spread)
    return statistic, (k**2 - 1) / (3 * spread)


def _omega_squared(statistic: float, df1: float, total: float) -> float:
    excess = df1 * (statistic - 1)
    return max(0.0, excess / (excess + total))
