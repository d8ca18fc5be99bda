"""Means over seeds and their t-intervals."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.special import expit, logit, stdtrit

from ltbench.stats.groups import ROUNDING, FloatArray


def half_width(values: FloatArray, confidence: float = 0.95) -> float:
    """Return half the width of Student's t-interval of the mean; NaN for fewer than two values.

    Student, "The probable error of a mean", Biometrika 6 (1908): t(n−1) · s / √n, with the sample
    standard deviation s (ddof 1).
    """
    n = len(values)
    if n < 2:
        return float("nan")
    quantile = stdtrit(n - 1, 0.5 + confidence / 2)
    return float(quantile * values.std(ddof=1) / np.sqrt(n))


def share_interval(mean: float, half_width: float) -> tuple[float, float]:
    """Return the 95 % interval of a mean of shares, which stays between 0 and 1.

    Mean ± half-width where that does. Else the interval is made on the scale of log odds, with the
    same Student quantile and the standard error by the delta method (as for proportions in
    surveys: Korn & Graubard, Survey Methodology 24 (1998) 193–201), so it is longer towards the
    middle. NaN where all seeds agree: 0 says nothing of how they would vary.

    Args:
        mean: over seeds, from 0 to 1.
        half_width: of :func:`half_width`.
    """
    if not half_width > ROUNDING or not 0 < mean < 1:
        return math.nan, math.nan
    if mean - half_width >= 0 and mean + half_width <= 1:
        return mean - half_width, mean + half_width
    center, reach = logit(mean), half_width / (mean * (1 - mean))
    return float(expit(center - reach)), float(expit(center + reach))


def mean_interval(mean: float, half_width: float, *, share: bool) -> tuple[float, float]:
    """Return the 95 % interval of a mean over seeds; NaN where all seeds agree.

    Args:
        mean: over seeds.
        half_width: of :func:`half_width`.
        share: whether it is a share, of 0 to 1: :func:`share_interval` then.
    """
    if share:
        return share_interval(mean, half_width)
    if half_width > ROUNDING * max(1.0, abs(mean)):
        return mean - half_width, mean + half_width
    return math.nan, math.nan


def summarise(scores: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """Return n, mean, standard deviation and t half-width for each label and metric.

    Args:
        scores: columns ``label``, ``metric``, ``value``; NaN values are left out.
        confidence: coverage of the interval, in (0, 1).

    Returns:
        A frame indexed by (label, metric) with the columns ``n``, ``mean``, ``sd``, ``half_width``.
    """
    known = scores.dropna(subset=["value"]).groupby(["label", "metric"], sort=False)["value"]
    table = known.agg(n="count", mean="mean", sd="std")
    quantile = stdtrit(np.maximum(table["n"] - 1, 1), 0.5 + confidence / 2)
    table["half_width"] = quantile * table["sd"] / np.sqrt(table["n"])
    return table
