"""Simulated leaderboards: how often claims are wrong, and how often intervals hold the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from simulated_tables import METRICS, bound, claims_something, leaderboard, rate_of

from ltbench.stats.claims import analyse
from ltbench.stats.intervals import half_width, summarise


def error_rate(tables: int, methods: int, seeds: int, sds: np.ndarray) -> float:
    rng = np.random.default_rng([methods, seeds])
    wrong = 0
    for _ in range(tables):
        scores = leaderboard(rng, methods, seeds, np.full(methods, 0.7), sds)
        analysis = analyse(scores, primary=METRICS[0], declared=METRICS, reference="erm", draws=399)
        wrong += claims_something(analysis)
    return wrong / tables


@pytest.mark.parametrize(("methods", "seeds"), [(2, 5), (6, 3)])
def test_without_a_difference_few_tables_claim_one(methods: int, seeds: int) -> None:
    rate = error_rate(200, methods, seeds, np.full(methods, 0.01))
    assert rate <= bound(200)


def test_a_method_of_few_seeds_makes_no_difference_appear() -> None:
    assert rate_of(120, (10, 10, 10, 2), wide=True) <= bound(120)


UNEQUAL = [
    (5, 5, 5, 2), (10, 10, 10, 2), (10, 10, 10, 3), (3, 10, 10, 10), (3, 3, 3, 10), (5, 5, 5, 4),
    (7, 7, 7, 4), (10, 10, 5, 5), (10,) * 19 + (3,),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("seeds", UNEQUAL)
@pytest.mark.parametrize("wide", [False, True])
def test_unequal_seeds_claim_no_more(seeds: tuple[int, ...], wide: bool) -> None:
    rate = rate_of(1_000, seeds, wide=wide)
    print(f"family-wise error, {named(seeds)}, {'wide' if wide else 'equal'}: {rate:.3f}")
    assert rate <= bound(1_000)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [(5,) * 4, (5,) * 20, (5, 5, 5, 2), (10, 10, 10, 3)])
def test_skewed_scores_claim_no_more(seeds: tuple[int, ...]) -> None:
    rate = rate_of(1_000, seeds, skewed=True)
    print(f"family-wise error, {named(seeds)}, skewed: {rate:.3f}")
    assert rate <= bound(1_000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("methods", "family", "shared"), [(4, 2, 0.5), (4, 2, 0.9), (12, 3, 0.9), (20, 4, 0.9)]
)
def test_shared_first_stages_claim_no_more(methods: int, family: int, shared: float) -> None:
    rate = rate_of(1_000, (5,) * methods, family, shared=shared)
    print(f"family-wise error, {methods} methods in families of {family}, {shared}: {rate:.3f}")
    assert rate <= bound(1_000)


def named(seeds: tuple[int, ...]) -> str:
    return ", ".join(map(str, seeds)) if len(seeds) < 9 else f"{len(seeds)} methods, {set(seeds)}"


@pytest.mark.slow
@pytest.mark.parametrize(("methods", "seeds"), [(2, 5), (6, 2), (6, 5), (20, 3), (20, 5)])
@pytest.mark.parametrize("spread", ["equal", "unequal"])
def test_without_a_difference_at_most_one_table_in_twenty_claims_one(
    methods: int, seeds: int, spread: str
) -> None:
    sds = np.full(methods, 0.01) if spread == "equal" else np.linspace(0.004, 0.02, methods)
    rate = error_rate(2_000, methods, seeds, sds)
    print(f"family-wise error, {methods} methods, {seeds} seeds, {spread} spread: {rate:.4f}")
    assert rate <= bound(2_000)


def test_a_large_difference_is_claimed_by_everything() -> None:
    rng = np.random.default_rng(0)
    means = np.array([0.5, 0.7, 0.5])
    scores = leaderboard(rng, 3, 5, means, np.full(3, 0.01))
    analysis = analyse(scores, primary=METRICS[0], declared=METRICS, reference="erm")
    assert all(analysis.claims(metric) for metric in METRICS)
    assert analysis.ranks == {"m1": (1, 1), "erm": (2, 3), "m2": (2, 3)}
    assert analysis.letters == {"m1": "a", "erm": "b", "m2": "b"}
    claimed = analysis.comparisons.groupby("label")["claimed"].all()
    assert claimed["m1"]
    assert not claimed["m2"]


def test_intervals_hold_the_true_mean_in_95_of_100_cases() -> None:
    rng = np.random.default_rng(5)
    for n in (2, 3, 5, 10):
        values = rng.normal(0.7, 0.02, (6_000, n))
        frame = pd.DataFrame(
            {"label": np.repeat(np.arange(6_000), n), "metric": "x", "value": values.ravel()}
        )
        table = summarise(frame)
        covered = ((table["mean"] - 0.7).abs() <= table["half_width"]).mean()
        assert covered == pytest.approx(0.95, abs=0.009)  # three standard errors
        assert half_width(values[0]) == pytest.approx(table["half_width"].iloc[0])


def test_one_seed_has_no_interval() -> None:
    frame = pd.DataFrame({"label": ["a"], "metric": ["x"], "value": [0.5]})
    assert np.isnan(summarise(frame)["half_width"].iloc[0])
    assert np.isnan(half_width(np.array([0.5])))
