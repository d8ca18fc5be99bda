"""Methods across data sets: mean ranks, Friedman's test and Nemenyi's distance.

Demšar, "Statistical comparisons of classifiers over multiple data sets", Journal of Machine
Learning Research 7 (2006) 1–30. The blocks are data sets, never seeds: seeds of one data set are
no independent evidence about another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from ltbench.stats.calibration import DRAWS, exceedance
from ltbench.stats.groups import FloatArray

_BLOCK = 1_000
FEWEST_DATASETS = 3
"""Below this a mean rank says less than the tables it is made from."""


@dataclass(frozen=True)
class AcrossDatasets:
    """Ranks of methods over data sets.

    Attributes:
        ranks: methods × data sets, 1 is best, ties share their mean rank; only methods with a
            score on every data set.
        incomplete: methods left out because a data set has no score of theirs.
        mean_ranks: by method, best first; empty where ``reason`` says why.
        statistic: Friedman's chi-squared with ``df`` degrees of freedom, corrected for ties.
        p: of the chi-squared distribution, which few data sets follow badly.
        p_permutation: of permuting ranks within data sets; claims rest on this one.
        critical_difference: Nemenyi's distance at 5 %; mean ranks closer than this do not differ.
            Half of it around each mean rank gives intervals that overlap exactly then.
    """

    ranks: pd.DataFrame
    incomplete: tuple[str, ...] = ()
    mean_ranks: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))
    statistic: float = math.nan
    df: int = 0
    p: float = math.nan
    p_permutation: float = math.nan
    critical_difference: float = math.nan
    reason: str = ""


def across_datasets(
    scores: pd.DataFrame,
    *,
    larger_is_better: bool = True,
    draws: int = DRAWS,
    block: str = "data set",
) -> AcrossDatasets:
    """Rank methods on each data set and test whether mean ranks differ.

    Args:
        scores: methods × data sets, each the mean over seeds; NaN where there is none.
        larger_is_better: whether the highest score has rank 1.
        draws: permutations drawn for ``p_permutation``.
        block: what a column is of, for the reason why there are no ranks.
    """
    complete = scores.dropna()
    incomplete = tuple(str(name) for name in scores.index.difference(complete.index, sort=False))
    ranks = complete.rank(axis=0, ascending=not larger_is_better)
    methods, datasets = ranks.shape
    if datasets < FEWEST_DATASETS:
        reason = f"mean ranks need {FEWEST_DATASETS} {block}s or more, and there are {datasets}"
        return AcrossDatasets(ranks, incomplete, reason=reason)
    if methods < 2:
        reason = f"fewer than two methods have a score on every {block}"
        return AcrossDatasets(ranks, incomplete, reason=reason)
    blocks = ranks.to_numpy().T
    statistic = float(friedman_statistic(blocks))
    rng = np.random.default_rng(0)
    drawn = np.concatenate(
        [
            friedman_statistic(
                rng.permuted(np.broadcast_to(blocks, (size, *blocks.shape)), axis=-1)
            )
            for size in _block_sizes(draws)
        ]
    )
    return AcrossDatasets(
        ranks,
        incomplete,
        ranks.mean(axis=1).sort_values(kind="stable"),
        statistic,
        methods - 1,
        float(chdtrc(methods - 1, statistic)),
        float(exceedance(statistic, drawn)),
        nemenyi_distance(methods, datasets),
    )


def _block_sizes(draws: int) -> list[int]:
    """Return sizes that add up to the draws, so that thousands of tables fit into memory."""
    return [min(_BLOCK, draws - start) for start in range(0, draws, _BLOCK)]


def friedman_statistic(ranks: FloatArray) -> FloatArray:
    """Return Friedman's chi-squared of ranks (..., data sets, methods), corrected for ties.

    Friedman, Journal of the American Statistical Association 32 (1937) 675–701, in the form of
    Conover (Practical Nonparametric Statistics, 3rd ed. 1999, p. 370); 0 where all are tied.
    """
    datasets, methods = ranks.shape[-2:]
    centre = datasets * methods * (methods + 1) ** 2 / 4
    within = (ranks**2).sum(axis=(-2, -1)) - centre
    between = (ranks.sum(axis=-2) ** 2).sum(axis=-1) / datasets - centre
    tied = within <= 1e-9
    return np.where(tied, 0.0, (methods - 1) * between / np.where(tied, 1.0, within / datasets))


def nemenyi_distance(methods: int, datasets: int, level: float = 0.05) -> float:
    """Return the distance of mean ranks beyond which two methods differ (Demšar 2006, sec. 3.2.2).

    q √(k(k+1)/(6N)), q being the studentized range at infinite degrees of freedom over √2.
    """
    from scipy import stats  # takes as long to import as all else of a leaderboard

    quantile = stats.studentized_range.ppf(1 - level, methods, np.inf) / math.sqrt(2)
    return float(quantile * math.sqrt(methods * (methods + 1) / (6 * datasets)))
