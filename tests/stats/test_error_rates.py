"""Simulated leaderboards: how often claims are wrong, and how often intervals hold the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ltbench.stats.claims import Analysis, analyse
from ltbench.stats.intervals import half_width, summarise

METRICS = ("accuracy_average", "accuracy_worst", "macro_f1_average", "macro_f1_worst")


def leaderboard(
    rng: np.random.Generator, methods: int, seeds: int, means: np.ndarray, sds: np.ndarray
) -> pd.DataFrame:
    """Draw correlated metrics, as average and worst accuracy and F1 are."""
    shared = rng.normal(size=(methods, seeds, 1))
    own = rng.normal(size=(methods, seeds, len(METRICS)))
    values = means[:, None, None] + sds[:, None, None] * (0.8 * shared + 0.6 * own)
    index = pd.MultiIndex.from_product(
        [["erm", *(f"m{i}" for i in range(1, methods))], range(seeds), METRICS],
        names=["label", "seed", "metric"],
    )
    return pd.Series(values.ravel(), index=index, name="value").reset_index()


def claims_something(analysis: Analysis) -> bool:
    omnibus = any(analysis.claims(metric) for metric in METRICS)
    letters = len(set(analysis.letters.values())) > 1
    ranks = len(set(analysis.ranks.values())) > 1
    return omnibus or letters or ranks or bool(analysis.comparisons["claimed"].any())


def error_rate(tables: int, methods: int, seeds: int, sds: np.ndarray) -> float:
    rng = np.random.default_rng([methods, seeds])
    wrong = 0
    for _ in range(tables):
        scores = leaderboard(rng, methods, seeds, np.full(methods, 0.7), sds)
        analysis = analyse(scores, primary=METRICS[0], declared=METRICS, reference="erm", draws=399)
        wrong += claims_something(analysis)
    return wrong / tables


# Two standard errors of a rate of 5 % over that many leaderboards are allowed above it.
def bound(tables: int) -> float:
    return 0.05 + 2 * float(np.sqrt(0.05 * 0.95 / tables))


@pytest.mark.parametrize(("methods", "seeds"), [(2, 5), (6, 3)])
def test_without_a_difference_few_tables_claim_one(methods: int, seeds: int) -> None:
    rate = error_rate(200, methods, seeds, np.full(methods, 0.01))
    assert rate <= bound(200)


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
