"""A sequential test that drops methods which cannot be the best, seed after seed.

Methods are compared by the differences of their scores seed by seed, from three seeds on, after
every further one. A method is dropped where another beats it by more than ``t · √(v / n)``:

- ``v`` is the variance of the pair's differences, or the 90th percentile of those of all pairs
  where that is larger. Three seeds say little of a spread; those of all methods say more, and a
  pair that by chance has hardly any is not believed.
- ``t`` is Student's quantile, with degrees of freedom of all methods' seeds, at a level that is
  shared out (Bonferroni): over the rivals of a method equally, and over the looks as 1/2, 1/6,
  1/12, …, 1/(k (k + 1)), which sums to 1 however many there are. So more seeds may be asked for
  later (alpha spending; Lan and DeMets, Biometrika 70 (1983)).

What is shared out is :data:`SPENT`, a part of the error that is promised, as scores are not
normal: where the best method is skewed to one side, its rivals to the other, and its deviation is
three times theirs, the test is wrong up to five times as often as the quantiles say. So the chance
to drop the best method, whichever it is, is at most :data:`PROMISED` over all looks and rivals, for
scores no more skewed than those simulated; see ``tests/stats/simulated_races.py``. The best is the
one with the best mean of all seeds that there could be. Where one seed in twenty collapses, few
seeds do not show that mean, and the promise does not hold. Tests by betting, for bounded scores
(Waudby-Smith and Ramdas, JRSS B 86 (2024)), need no such simulation, and ten times the seeds:
``tests/stats/betting_seeds.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtri, stdtrit

from ltbench.stats.groups import ROUNDING

PROMISED = 0.05
"""The largest chance to drop the best method, over all looks and rivals, but for such scores."""

SPENT = 0.0075
"""What of it is shared out among looks and rivals."""

FIRST_LOOK = 3
"""The seeds before which nothing is dropped."""

MOST_NEEDED = 200
"""Seeds beyond which it is not said how many it would take."""

_LARGE_SPREAD = 0.9
_POWER = 0.8


@dataclass(frozen=True)
class Drop:
    """A method that was dropped.

    Attributes:
        method: its place in the list.
        by: that of the method that beat it by the most.
        seeds: seeds of both.
        difference: by how much it was beaten, in the unit of the scores.
        reach: what that had to exceed; the interval of the difference is ``difference ± reach``.
    """

    method: int
    by: int
    seeds: int
    difference: float
    reach: float


@dataclass(frozen=True)
class Standing:
    """How a race stands.

    Attributes:
        left: the places in the list of the methods that can still be best, the best mean first.
        seeds: how many seeds all of these have.
        dropped: the others, in their order.
        means: of the methods left, over these seeds.
    """

    left: tuple[int, ...]
    seeds: int
    dropped: tuple[Drop, ...] = ()
    means: dict[int, float] = field(default_factory=dict)

    @property
    def decided(self) -> bool:
        """Whether one method is left."""
        return len(self.left) == 1


def race(scores: Sequence[np.ndarray]) -> Standing:
    """Return how a race stands, played from its first seed on.

    Args:
        scores: of each method by seed, the same seeds in the same order, higher is better. Methods
            may have different numbers of them; seeds beyond those that count are not looked at.

    Raises:
        ValueError: there are fewer than two methods.
    """
    if len(scores) < 2:
        raise ValueError("a race is between two methods or more")
    left, dropped = list(range(len(scores))), list[Drop]()
    used, seeds = [0] * len(scores), 0
    while len(left) > 1 and all(len(scores[i]) > seeds for i in left):
        seeds += 1
        for i in left:
            used[i] = seeds
        if seeds >= FIRST_LOOK:
            beaten = _beaten([s[:n] for s, n in zip(scores, used, strict=True)], left)
            dropped += beaten
            left = [i for i in left if i not in {drop.method for drop in beaten}]
    means = {i: float(np.mean(scores[i][:seeds])) if seeds else math.nan for i in left}
    return Standing(
        tuple(sorted(left, key=lambda i: -means[i])) if seeds else tuple(left),
        seeds,
        tuple(dropped),
        means,
    )


@dataclass(frozen=True)
class Rival:
    """What is known of a method that is left beside the one with the best mean.

    Attributes:
        difference: of the best mean to its own, at least 0.
        reach: half of the interval of that difference, which holds after every look; infinite
            before the first.
        seeds_needed: about so many seeds of each would tell with a chance of 80 % a difference as
            large as it is now; ``None`` beyond :data:`MOST_NEEDED`.
    """

    difference: float
    reach: float
    seeds_needed: int | None


def rival(scores: Sequence[np.ndarray], standing: Standing, method: int) -> Rival:
    """Return what is known of a method that is left.

    Args:
        scores: as :func:`race` took them.
        standing: what it returned.
        method: place of one of those left, not the first of them.
    """
    difference = standing.means[standing.left[0]] - standing.means[method]
    if standing.seeds < FIRST_LOOK:
        return Rival(difference, math.inf, None)
    used = _used(scores, standing)
    variance = _variances(used)[standing.left[0], method]
    reach = float(_reaches(variance, standing.seeds, used))
    return Rival(difference, reach, _needed(difference, float(variance), used, standing))


def _used(scores: Sequence[np.ndarray], standing: Standing) -> list[np.ndarray]:
    """Return the scores that counted."""
    until = {drop.method: drop.seeds for drop in standing.dropped}
    return [s[: until.get(i, standing.seeds)] for i, s in enumerate(scores)]


def _beaten(scores: Sequence[np.ndarray], left: Sequence[int]) -> list[Drop]:
    """Return the methods that another one beats, all of which have as many seeds."""
    seeds = len(scores[left[0]])
    means = np.array([scores[i].mean() for i in left])
    reaches = _reaches(_variances(scores)[np.ix_(left, left)], seeds, scores)
    found = []
    for row, i in enumerate(left):
        differences = means - means[row]
        by = np.flatnonzero(differences > reaches[row])
        if len(by):
            j = int(by[differences[by].argmax()])
            drop = Drop(i, left[j], seeds, float(differences[j]), float(reaches[row, j]))
            found.append(drop)
    return found


def _variances(scores: Sequence[np.ndarray]) -> np.ndarray:
    """Return the variance of the difference at one seed that is believed of each pair.

    Returns:
        Array (methods, methods); 0 where most pairs differ by the same at every seed.
    """
    padded = np.full((len(scores), max(map(len, scores))), math.nan)
    for row, own in zip(padded, scores, strict=True):
        row[: len(own)] = own
    apart = padded[:, None] - padded[None]
    seeds = np.isfinite(apart).sum(axis=2)
    apart -= np.nansum(apart, axis=2, keepdims=True) / seeds[:, :, None]
    variances = np.nansum(apart**2, axis=2) / (seeds - 1)
    largest = max(1.0, float(np.nanmax(np.abs(padded))))
    variances[variances <= (ROUNDING * largest) ** 2] = 0.0
    spread = np.quantile(variances[np.triu_indices(len(scores), 1)], _LARGE_SPREAD)
    return np.maximum(variances, spread)


def _freedom(scores: Sequence[np.ndarray]) -> float:
    """Return the degrees of freedom of all methods' seeds, less what the seeds have in common."""
    return sum(len(s) - 1 for s in scores) * (len(scores) - 1) / len(scores)


def _reaches(variances: np.ndarray, seeds: int, scores: Sequence[np.ndarray]) -> np.ndarray:
    """Return what differences must exceed; infinite where seeds show no spread at all."""
    quantile = _quantile(seeds, len(scores), _freedom(scores))
    return np.where(variances > 0, quantile * np.sqrt(variances / seeds), math.inf)


def _quantile(seeds: int, methods: int, freedom: float) -> float:
    look = seeds - FIRST_LOOK + 1
    return float(-stdtrit(freedom, SPENT / (look * (look + 1)) / (methods - 1)))


def _needed(
    difference: float, variance: float, used: Sequence[np.ndarray], standing: Standing
) -> int | None:
    """Return at which look a difference would probably be found."""
    if difference <= 0 or variance <= 0:
        return None
    methods, now, beyond = len(used), _freedom(used), float(ndtri(_POWER))
    more = len(standing.left) * (methods - 1) / methods
    for seeds in range(standing.seeds + 1, MOST_NEEDED + 1):
        quantile = _quantile(seeds, methods, now + more * (seeds - standing.seeds))
        if difference >= (quantile + beyond) * math.sqrt(variance / seeds):
            return seeds
    return None
