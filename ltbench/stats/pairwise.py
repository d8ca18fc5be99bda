"""Which methods differ? All pairs at once, by Games and Howell's statistic."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pandas as pd

from ltbench.stats.calibration import DRAWS, exceedance, null_moments
from ltbench.stats.effect_size import hedges_g
from ltbench.stats.groups import FloatArray, Groups
from ltbench.stats.paired import paired_test
from ltbench.stats.welch import welch_t

MOST_METHODS = 100
"""Beyond this many methods the table of all pairs says nothing that can be read."""


def all_pairs(groups: Groups, draws: int = DRAWS, *, textbook: bool = False) -> pd.DataFrame:
    """Compare every pair of methods; the family is all the pairs.

    Games & Howell, Journal of Educational Statistics 1 (1976) 113–125: Welch's t of the pair with
    an error rate over all pairs. The p-value is that of the greatest \\|t\\| of all pairs when no
    method differs, drawn by parametric bootstrap; the textbook's studentized range is too liberal
    at few seeds (see :mod:`ltbench.stats.calibration`). Two methods alone that share their first
    stage are compared seed by seed (:mod:`ltbench.stats.paired`).

    Args:
        groups: the methods' scores; those with fewer than two seeds are left out.
        draws: how many times the null distribution is drawn.
        textbook: also compute the p-value of the studentized range (column ``p_games_howell``).

    Returns:
        One row a pair: ``a``, ``b``, ``difference`` (a − b), ``low`` and ``high`` (95 % interval,
        simultaneous over all pairs), ``g`` (Hedges), ``t``, ``df``, ``p``. Pairs in which neither
        method's seeds vary have NaN from ``low`` on: nothing says by what to judge them.
    """
    usable = groups.replicated()
    first, second = np.triu_indices(len(usable.names), 1)
    difference, error, t, df = welch_t(usable, first, second)
    if len(usable.names) == 2 and (test := paired_test(usable, 0, 1)):
        t, df, p, reach = (np.array([number]) for number in astuple(test))
    else:
        p, reach = _judged(t, error, _greatest_t(usable, draws))
    table = pd.DataFrame(
        {
            "a": [usable.names[i] for i in first],
            "b": [usable.names[j] for j in second],
            "difference": difference,
            "low": difference - reach,
            "high": difference + reach,
            "g": [
                hedges_g(usable.values[i], usable.values[j])
                for i, j in zip(first, second, strict=True)
            ],
            "t": t,
            "df": df,
            "p": p,
        }
    )
    if textbook:
        table["p_games_howell"] = _studentized_range(t, df, len(usable.names))
    return table


def _judged(
    t: FloatArray, error: FloatArray, greatest: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the p-values of t, and half the widths of the intervals; NaN without any spread."""
    if not len(greatest):
        return np.full(len(t), np.nan), np.full(len(t), np.nan)
    reach = np.quantile(greatest, 0.95) * error
    return exceedance(np.abs(t), greatest), np.where(error > 0, reach, np.nan)


def _greatest_t(groups: Groups, draws: int) -> FloatArray:
    """Return, for each draw under no difference, the greatest absolute Welch t of all pairs."""
    counts, constant = groups.counts, groups.variances == 0
    k = len(counts)
    if k < 2 or (constant.all() and groups.images is None):
        return np.empty(0)
    blocks = []
    columns = np.arange(k)
    for means, variances in null_moments(groups, draws):
        errors = variances / counts
        greatest = np.zeros(len(means))
        for i in range(k - 1):
            apart = (means[:, i + 1 :] - means[:, i : i + 1]) ** 2
            others = columns[i + 1 :]
            images = groups.image_variances(np.full(len(others), i), others)
            error = errors[:, i + 1 :] + errors[:, i : i + 1] + images
            squares = np.divide(apart, error, out=np.zeros_like(apart), where=error > 0)
            np.maximum(greatest, squares.max(axis=1), out=greatest)
        blocks.append(np.sqrt(greatest))
    return np.concatenate(blocks)


def _studentized_range(t: FloatArray, df: FloatArray, methods: int) -> FloatArray:
    p = np.full(len(t), np.nan)
    known = ~np.isnan(t)
    if known.any():
        from scipy import stats  # takes as long to import as all else of a leaderboard

        p[known] = stats.studentized_range.sf(np.abs(t[known]) * np.sqrt(2), methods, df[known])
    return p
