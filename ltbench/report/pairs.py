"""Every two methods of a table: their difference, its interval, and what the table claims of it.

Nothing is claimed here that the table does not claim: pairs on the metric that ranks, by the tests
behind its letters, and on the other declared metrics the pairs with the reference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from ltbench.report.content import Leaderboard, Row
from ltbench.report.metrics import Metric
from ltbench.stats.claims import LEVEL, draws_for
from ltbench.stats.pairwise import MOST_METHODS, all_pairs


@dataclass(frozen=True)
class Difference:
    """A method minus another on one metric, in the metric's own unit.

    Attributes:
        value: of the means over seeds.
        low, high: the 95 % interval; NaN where seeds have no spread to judge by.
        p: after correction for the family that it is judged in; NaN where no test claims anything.
        claimed: whether the table claims it.
    """

    value: float
    low: float
    high: float
    p: float
    claimed: bool


@dataclass(frozen=True)
class Pair:
    """Two methods of a table, the one with the better mean first.

    Attributes:
        first, second: labels of their rows.
        differences: first minus second, by the names of the declared metrics on which there is one.
        told_apart: on the metric that ranks; ``None`` where that was not tested.
    """

    first: str
    second: str
    differences: Mapping[str, Difference]
    told_apart: bool | None


def pairs_of(board: Leaderboard) -> list[Pair]:
    """Return every two methods of a table that were trained, in the order of its rows.

    There are none in a table of more than :data:`~ltbench.stats.pairwise.MOST_METHODS` methods.
    """
    rows = [row for row in board.rows if row.done and not row.combined]
    if len(rows) > MOST_METHODS:
        return []
    tables = {metric.name: _differences(board, metric) for metric in board.declared}
    pairs = []
    for first, second in combinations(rows, 2):
        found = {
            name: difference
            for name, table in tables.items()
            if (difference := table.get((first.label, second.label)))
        }
        pairs.append(Pair(first.label, second.label, found, _told_apart(first, second)))
    return pairs


def _told_apart(first: Row, second: Row) -> bool | None:
    if not first.letters or not second.letters:
        return None
    return not set(first.letters) & set(second.letters)


def _differences(board: Leaderboard, metric: Metric) -> dict[tuple[str, str], Difference]:
    """Return the differences of all pairs, in both directions."""
    by_metric = board.analysis.groups
    groups = by_metric[metric.name].comparable()
    claims = metric is board.primary and board.analysis.claims(metric.name)
    found = {}
    table = all_pairs(groups, draws_for(by_metric.values()))
    columns = ["a", "b", "difference", "low", "high", "p"]
    for a, b, value, low, high, p in table[columns].itertuples(index=False):
        own = p if metric is board.primary else math.nan
        found[a, b] = Difference(value, low, high, own, bool(claims and p <= LEVEL))
    return _both_ways(found) | _both_ways(_with_reference(board, metric))


def _with_reference(board: Leaderboard, metric: Metric) -> dict[tuple[str, str], Difference]:
    """Return what the table itself says of each method against the reference."""
    found = {}
    for row in board.rows:
        own = row.comparisons.get(metric.name)
        if own and board.reference:
            found[row.label, board.reference] = Difference(
                own.difference, own.low, own.high, own.p_holm, own.claimed
            )
    return found


def _both_ways(found: Mapping[tuple[str, str], Difference]) -> dict[tuple[str, str], Difference]:
    turned = {
        (b, a): Difference(-one.value, -one.high, -one.low, one.p, one.claimed)
        for (a, b), one in found.items()
    }
    return {**found, **turned}
