"""Each method against one reference, with Holm's correction over one declared family."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from ltbench.stats.effect_size import hedges_g
from ltbench.stats.groups import FloatArray, Groups


def against_reference(by_metric: Mapping[str, Groups], reference: str) -> pd.DataFrame:
    """Compare every method with the reference on every metric, by Welch's t-test.

    The family over which Holm's step-down procedure (Scandinavian Journal of Statistics 6 (1979)
    65–70) holds the error rate is all rows of the result: all methods × all metrics given.

    Returns:
        One row for each metric and method that has, like the reference, at least two seeds:
        ``metric``, ``label``, ``difference`` (method − reference), ``low`` and ``high`` (95 %
        interval of this difference alone), ``g`` (Hedges), ``t``, ``df``, ``p``, ``p_holm``. NaN
        from ``low`` on where neither method's seeds vary; such a row counts in the family.
    """
    rows = []
    for metric, groups in by_metric.items():
        usable = groups.replicated()
        if reference not in usable.names:
            continue
        base = usable.names.index(reference)
        for i, name in enumerate(usable.names):
            if i != base:
                rows.append({"metric": metric, "label": name, **_compare(usable, i, base)})
    columns = ["metric", "label", "difference", "low", "high", "g", "t", "df", "p"]
    table = pd.DataFrame(rows, columns=columns)
    table["p_holm"] = holm(table["p"].to_numpy(dtype=float))
    return table


def holm(p: FloatArray) -> FloatArray:
    """Return Holm-adjusted p-values; NaN counts in the family as 1 and stays NaN."""
    order = np.argsort(np.where(np.isnan(p), np.inf, p), kind="stable")
    steps = np.where(np.isnan(p), 1.0, p)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return np.where(np.isnan(p), np.nan, adjusted)


def _compare(groups: Groups, i: int, j: int) -> dict[str, float]:
    a, b = groups.values[i], groups.values[j]
    difference = float(a.mean() - b.mean())
    if groups.variances[i] == 0 and groups.variances[j] == 0:
        nothing = dict.fromkeys(("low", "high", "g", "t", "df", "p"), np.nan)
        return {"difference": difference, **nothing}
    test = stats.ttest_ind(a, b, equal_var=False)
    interval = test.confidence_interval(0.95)
    return {
        "difference": difference,
        "low": float(interval.low),
        "high": float(interval.high),
        "g": hedges_g(a, b),
        "t": float(test.statistic),
        "df": float(test.df),
        "p": float(test.pvalue),
    }
