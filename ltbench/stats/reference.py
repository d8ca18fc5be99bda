"""Each method against one reference, with Holm's correction over one declared family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from ltbench.stats.calibration import DRAWS, exceedance, far_fewer_seeds, null_moments
from ltbench.stats.effect_size import hedges_g
from ltbench.stats.groups import FloatArray, Groups
from ltbench.stats.paired import paired_test
from ltbench.stats.welch import welch_t

_COLUMNS = ("metric", "label", "difference", "low", "high", "g", "t", "df", "p", "paired")


def against_reference(
    by_metric: Mapping[str, Groups], reference: str, draws: int = DRAWS
) -> pd.DataFrame:
    """Compare every method with the reference on every metric, by Welch's t-test.

    Methods that share the reference's first stage (``pairs`` of the groups) are compared seed by
    seed, by Student's t of the differences.

    Where one of the two has far fewer seeds, Welch's degrees of freedom promise too much: p and
    the interval are then of the same t among draws under no difference
    (:func:`~ltbench.stats.calibration.null_moments`).

    The family over which Holm's step-down procedure (Scandinavian Journal of Statistics 6 (1979)
    65–70) holds the error rate is all rows of the result: all methods × all metrics given.

    Returns:
        One row for each metric and method that has, like the reference, at least two seeds:
        ``metric``, ``label``, ``difference`` (method − reference), ``low`` and ``high`` (95 %
        interval of this difference alone), ``g`` (Hedges), ``t``, ``df``, ``p``, ``paired``,
        ``p_holm``. NaN from ``low`` to ``p`` and in ``p_holm`` where neither method's seeds vary;
        such a row counts in the family.
    """
    tables = []
    for metric, groups in by_metric.items():
        usable = groups.replicated()
        if reference in usable.names and len(usable.names) > 1:
            tables.append(
                _compare(usable, usable.names.index(reference), draws).assign(metric=metric)
            )
    if not tables:
        return pd.DataFrame(columns=[*_COLUMNS, "p_holm"])
    table = pd.concat(tables, ignore_index=True)[list(_COLUMNS)]
    table["p_holm"] = holm(table["p"].to_numpy(dtype=float))
    return table


def holm(p: FloatArray) -> FloatArray:
    """Return Holm-adjusted p-values; NaN counts in the family as 1 and stays NaN."""
    order = np.argsort(np.where(np.isnan(p), np.inf, p), kind="stable")
    steps = np.where(np.isnan(p), 1.0, p)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return np.where(np.isnan(p), np.nan, adjusted)


def _compare(groups: Groups, base: int, draws: int) -> pd.DataFrame:
    others = np.array([i for i in range(len(groups.names)) if i != base])
    difference, error, t, df = welch_t(groups, others, np.full(len(others), base))
    p, reach = 2 * stdtr(df, -np.abs(t)), stdtrit(df, 0.975) * error
    paired = np.zeros(len(others), dtype=bool)
    for place, other in enumerate(others):
        if test := paired_test(groups, other, base):
            t[place], df[place], p[place], reach[place] = astuple(test)
            paired[place] = True
            continue
        pair = groups.keep([i in (base, other) for i in range(len(groups.names))])
        if far_fewer_seeds(pair).any() and not np.isnan(t[place]):
            drawn = _drawn_t(pair, draws)
            p[place] = exceedance(abs(t[place]), drawn)
            reach[place] = np.quantile(drawn, 0.95) * error[place]
    return pd.DataFrame(
        {
            "label": [groups.names[i] for i in others],
            "difference": difference,
            "low": difference - reach,
            "high": difference + reach,
            "g": [hedges_g(groups.values[i], groups.values[base]) for i in others],
            "t": t,
            "df": df,
            "p": p,
            "paired": paired,
        }
    )


def _drawn_t(pair: Groups, draws: int) -> FloatArray:
    """Return |t| of two methods under no difference, (draws,)."""
    images = pair.image_variances(np.array([0]), np.array([1]))
    return np.concatenate(
        [
            np.abs(np.diff(means)[:, 0]) / np.sqrt((variances / pair.counts).sum(1) + images)
            for means, variances in null_moments(pair, draws)
        ]
    )
