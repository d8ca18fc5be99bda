"""The ranks each method could hold, given which differences are real."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ltbench.stats.letters import Pair


def rank_sets(
    means: Mapping[str, float],
    different: Collection[Pair],
    *,
    larger_is_better: bool = True,
    untested: int = 0,
) -> dict[str, tuple[int, int]]:
    """Return each method's lowest and highest possible rank (1 is best).

    A method stands behind every method that is significantly better, and before every one that is
    significantly worse; nothing else is known. If the pairs are tested at a family-wise level of
    5 %, all the rank sets hold together with 95 % confidence (Mogstad, Romano, Shaikh & Wilhelm,
    Review of Economic Studies 91 (2024) 476–518).

    Args:
        means: by method.
        different: the pairs that are told apart.
        larger_is_better: whether the highest mean has rank 1.
        untested: methods of the same table beside these, of which nothing is known: each may stand
            before or behind any other.
    """
    sign = 1 if larger_is_better else -1
    better = dict.fromkeys(means, 0)
    worse = dict.fromkeys(means, 0)
    for pair in different:
        one, other = pair
        high, low = (one, other) if sign * (means[one] - means[other]) > 0 else (other, one)
        better[low] += 1
        worse[high] += 1
    last = len(means) + untested
    return {name: (1 + better[name], last - worse[name]) for name in means}
