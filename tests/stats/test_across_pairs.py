"""Two methods across data sets, against worked cases, other programs and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ltbench.stats.across_pairs import (
    FEWEST_FOR_VERDICT,
    across_pair,
    mean_difference,
    probability_of_improvement,
    signed_rank,
)


@pytest.mark.parametrize(
    ("differences", "rope", "theirs"),
    [
        # baycomp 1.0.3: SignedRankTest.probs(0, differences, rope, nsamples=200000, random_state=0)
        ([0.01, 0.02, -0.005, 0.03, 0.001, 0.015], 0.01, (0.0, 0.4139, 0.5861)),
        ([-0.02, -0.03, 0.004, -0.05, -0.06], 0.01, (0.9519, 0.0481, 0.0)),
        (
            [0.002, -0.004, 0.012, 0.003, -0.001, 0.006, 0.02, -0.015],
            0.01,
            (0.0001, 0.9807, 0.0192),
        ),
    ],
)
def test_signed_rank_is_that_of_its_authors_package(
    differences: list[float], rope: float, theirs: tuple[float, float, float]
) -> None:
    ours = signed_rank(np.array(differences), rope, draws=200_000)
    assert ours == pytest.approx(theirs, abs=0.006)
    assert sum(ours) == pytest.approx(1)


def test_signed_rank_of_one_data_set_is_a_beta_distribution() -> None:
    """The share of pairs above the region is 1 − w², w the weight of the prior, Beta(½, 1)."""
    better = signed_rank(np.array([0.5]), 0.01, draws=200_000)[2]
    assert better == pytest.approx(stats.beta(0.5, 1).cdf(np.sqrt(0.5)), abs=0.005)


def test_signed_rank_by_a_loop_over_pairs() -> None:
    differences, rope = np.array([0.03, -0.01, 0.004]), 0.008
    rng = np.random.default_rng(5)
    values, wins = [0.0, *differences], np.zeros(3)
    for _ in range(4_000):
        weights = rng.dirichlet([0.5, 1, 1, 1])
        shares = np.zeros(3)
        for a, v in zip(weights, values, strict=True):
            for b, w in zip(weights, values, strict=True):
                mean = (v + w) / 2
                shares[0 if mean < -rope else 2 if mean > rope else 1] += a * b
        wins[shares.argmax()] += 1
    assert signed_rank(differences, rope) == pytest.approx(tuple(wins / 4_000), abs=0.03)


def test_without_a_region_of_equivalence_nothing_is_equal() -> None:
    worse, equal, better = signed_rank(np.array([0.1, 0.2, -0.1, 0.3]), 0.0)
    assert equal == 0
    assert better > worse


def test_probability_of_improvement_is_mann_and_whitneys() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, (4, 5)).astype(float), rng.integers(0, 5, (4, 3)).astype(float)
    theirs = np.mean([stats.mannwhitneyu(x, y).statistic / 15 for x, y in zip(a, b, strict=True)])
    assert probability_of_improvement(list(a), list(b)) == pytest.approx(theirs)
    assert probability_of_improvement([np.ones(3)], [np.ones(2)]) == 0.5


def test_mean_difference_is_over_data_sets_each_counting_once() -> None:
    seeds = [np.array([1.0, 3.0, 2.0]), np.array([10.0, 10.5])]
    others = [np.array([0.0, 1.0]), np.array([9.0, 9.0, 9.0, 9.5])]
    difference, low, high = mean_difference(seeds, others)
    assert difference == pytest.approx((1.5 + 1.125) / 2)
    assert low < difference < high


def test_with_many_seeds_the_interval_is_the_normal_one() -> None:
    rng = np.random.default_rng(3)
    seeds, others = rng.normal(size=(3, 200)), rng.normal(size=(3, 200))
    difference, low, high = mean_difference(list(seeds), list(others), draws=20_000)
    error = np.sqrt((seeds.var(1, ddof=1) + others.var(1, ddof=1)).sum() / 200) / 3
    assert (low, high) == pytest.approx((difference - 1.96 * error, difference + 1.96 * error),
                                        abs=0.05 * error)  # fmt: skip


@pytest.mark.parametrize("seeds", [[np.array([0.5])], [np.array([0.5, 0.5])]])
def test_no_interval_where_nothing_says_how_seeds_vary(seeds: list[np.ndarray]) -> None:
    difference, low, high = mean_difference(seeds, [np.array([0.4, 0.4])])
    assert difference == pytest.approx(0.1)
    assert np.isnan(low)
    assert np.isnan(high)


def coverage(tables: int, datasets: int, seeds: int, spread: str) -> float:
    rng = np.random.default_rng([datasets, seeds])
    held = 0
    for _ in range(tables):
        sds = np.ones(2 * datasets) if spread == "equal" else np.linspace(0.4, 2, 2 * datasets)
        scores = rng.normal(size=(2 * datasets, seeds)) * rng.permutation(sds)[:, None]
        low, high = mean_difference(list(scores[:datasets]), list(scores[datasets:]), draws=599)[1:]
        held += low <= 0 <= high
    return held / tables


def test_the_interval_holds_the_truth_with_three_seeds() -> None:
    assert coverage(200, 3, 3, "unequal") >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / 200)


@pytest.mark.slow
@pytest.mark.parametrize("datasets", [2, 3, 6])
@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("spread", ["equal", "unequal"])
def test_the_interval_holds_the_truth(datasets: int, seeds: int, spread: str) -> None:
    held = coverage(1_000, datasets, seeds, spread)
    print(f"coverage, {datasets} data sets, {seeds} seeds, {spread} spread: {held:.3f}")
    assert held >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / 1_000)


def pair(differences: np.ndarray, **how: object) -> str:
    zeros = [np.zeros(1)] * len(differences)
    seeds = [np.array([d]) for d in differences]
    return across_pair("m", seeds, zeros, rope=1.0, **how).verdict  # type: ignore[arg-type]


def test_practically_equal_is_said_from_six_data_sets_on() -> None:
    assert pair(np.full(6, 0.3)) == "practically equal"
    assert pair(np.full(5, 0.3)) == ""
    assert pair(np.full(6, 5.0)) == "better"
    assert pair(np.full(6, 5.0), larger_is_better=False) == "worse"
    assert pair(np.array([0.3, 0.2, 2.0, -3.0, 4.0, 0.1])) == ""


def test_below_three_data_sets_there_is_no_signed_rank_test() -> None:
    found = across_pair("m", [np.array([1.0])] * 2, [np.array([0.0])] * 2, rope=0.1)
    assert found.improvement == 1
    assert np.isnan(found.equal)


def wrong(
    tables: int, datasets: int, spread: float, mean: float, rope: float
) -> tuple[float, float]:
    """Return how often methods are called practically equal, and how often one is called better."""
    rng = np.random.default_rng([datasets, int(10 * spread)])
    equal = apart = 0
    for _ in range(tables):
        verdict = verdict_of(rng.normal(mean, spread, datasets), rope)
        equal += verdict == "practically equal"
        apart += verdict in ("better", "worse")
    return equal / tables, apart / tables


def verdict_of(differences: np.ndarray, rope: float) -> str:
    zeros = [np.zeros(1)] * len(differences)
    seeds = [np.array([d]) for d in differences]
    return across_pair("m", seeds, zeros, rope=rope, draws=999).verdict


@pytest.mark.slow
@pytest.mark.parametrize("datasets", [FEWEST_FOR_VERDICT, 8, 12])
@pytest.mark.parametrize("spread", [0.1, 0.3, 1.0, 2.0, 5.0])
def test_verdicts_are_seldom_wrong(datasets: int, spread: float) -> None:
    """At the worst: the typical difference is the region's edge, or there is none at all."""
    allowed = 0.05 + 2 * np.sqrt(0.05 * 0.95 / 1_000)
    equal = wrong(1_000, datasets, spread, mean=1.0, rope=1.0)[0]
    apart = wrong(1_000, datasets, spread, mean=0.0, rope=0.25)[1]
    print(f"verdicts, {datasets} data sets, spread {spread}: equal {equal:.3f}, apart {apart:.3f}")
    assert equal <= allowed
    assert apart <= allowed
