"""How many seeds a difference of a given size would need to be found."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.special import stdtrit

MOST_SEEDS = 1_000
_DRAWS = 4_000


def pair_power(effect: float, seeds: int, level: float = 0.05) -> float:
    """Return the power of a two-sided t-test between two methods.

    Args:
        effect: difference in standard deviations over seeds.
        seeds: seeds of each method, at least 2.
        level: the test's level; for the first step of Holm, 0.05 over the size of the family.
    """
    df = 2 * seeds - 2
    return _noncentral(-float(stdtrit(df, level / 2)), df, effect, seeds)


def all_pairs_power(effect: float, seeds: int, methods: int, level: float = 0.05) -> float:
    """Return the power to find one given pair among all pairs (Tukey's studentized range).

    The variance is pooled over all methods, so this is an upper bound for Games–Howell, and one
    that is far off where seeds are few; see :func:`table_power`.
    """
    df = methods * (seeds - 1)
    from scipy import stats  # takes as long to import as all else of a leaderboard

    quantile = float(stats.studentized_range.isf(level, methods, df)) / math.sqrt(2)
    return _noncentral(quantile, df, effect, seeds)


def table_power(effect: float, seeds: int, methods: int, level: float = 0.05) -> float:
    """Return the power to find one given pair by the test that tables use for all pairs.

    Welch's t of the pair, with variances of its own, against the greatest of all pairs under no
    difference (:func:`~ltbench.stats.pairwise.all_pairs`), drawn for normal scores of one variance.
    Differences among the other methods, without which the analysis of variance may find nothing,
    are not in it.
    """
    rng = np.random.default_rng(0)
    means = rng.standard_normal((_DRAWS, methods)) / math.sqrt(seeds)
    errors = rng.chisquare(seeds - 1, (_DRAWS, methods)) / (seeds - 1) / seeds
    greatest = np.zeros(_DRAWS)
    for i in range(methods - 1):
        apart = (means[:, i + 1 :] - means[:, [i]]) ** 2
        squares = apart / (errors[:, i + 1 :] + errors[:, [i]])
        np.maximum(greatest, squares.max(axis=1), out=greatest)
    quantile = math.sqrt(np.quantile(greatest, 1 - level))
    t = (means[:, 0] - means[:, 1] + effect) / np.sqrt(errors[:, 0] + errors[:, 1])
    return float((np.abs(t) > quantile).mean())


def power_table(
    sd: float, difference: float, methods: int, family: int, seeds: int
) -> pd.DataFrame:
    """Return what it takes to find a difference with a probability of 80 %.

    Args:
        sd: standard deviation over seeds, in the metric's unit.
        difference: the difference to be found, in the same unit.
        methods: methods of the table.
        family: comparisons with the reference that Holm corrects for.
        seeds: seeds a method has now; its power is given too.

    Returns:
        One row a test: ``test``, ``power_now`` (NaN below two seeds), ``seeds_needed`` (NaN beyond
        :data:`MOST_SEEDS`).
    """
    effect = abs(difference) / sd
    tests: dict[str, Callable[[int], float]] = {
        "two methods alone": lambda n: pair_power(effect, n),
        f"one of {family} comparisons (Holm, first step)": lambda n: pair_power(
            effect, n, 0.05 / family
        ),
        f"one pair among all of {methods} methods (Tukey)": lambda n: all_pairs_power(
            effect, n, methods
        ),
        f"one pair among all of {methods} methods (as in the table)": lambda n: table_power(
            effect, n, methods
        ),
    }
    return pd.DataFrame(
        [
            {
                "test": name,
                "power_now": power(seeds) if seeds >= 2 else math.nan,
                "seeds_needed": _seeds_needed(power),
            }
            for name, power in tests.items()
        ]
    )


def pooled_sd(variances: np.ndarray, counts: np.ndarray) -> float:
    """Return the standard deviation within methods, pooled; NaN where none has two seeds."""
    freedom = counts[counts >= 2] - 1
    if not len(freedom):
        return math.nan
    return float(math.sqrt((freedom * variances[counts >= 2]).sum() / freedom.sum()))


def _noncentral(quantile: float, df: float, effect: float, seeds: int) -> float:
    from scipy import stats

    shift = effect * math.sqrt(seeds / 2)
    near, far = stats.nct.sf(quantile, df, shift), stats.nct.cdf(-quantile, df, shift)
    # SciPy has no value for some tails: the far one is nothing then, the near one the normal's.
    near = stats.norm.sf(quantile - shift) if math.isnan(near) else near
    return float(near + np.nan_to_num(far))


def _seeds_needed(power: Callable[[int], float], target: float = 0.8) -> float:
    low, high = 1, 2
    while power(high) < target:
        low, high = high, 2 * high
        if high > MOST_SEEDS:
            return math.nan
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= target else (middle, high)
    return float(high)
