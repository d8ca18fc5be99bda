"""Analyses of variance against SciPy, statsmodels and worked examples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.oneway import anova_oneway

from ltbench.stats.groups import Groups, split_by_label
from ltbench.stats.omnibus import classical_anova, welch_anova

# Student's sleep data (Biometrika 6 (1908) 20), as R ships it; `oneway.test(extra ~ group, sleep)`
# prints F = 3.4626, num df = 1.000, denom df = 17.776, p-value = 0.07939.
SLEEP = Groups(
    ("1", "2"),
    (
        np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]),
        np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]),
    ),
)


def drawn(sizes: list[int], seed: int = 0) -> Groups:
    rng = np.random.default_rng(seed)
    return Groups(
        tuple(f"m{i}" for i in range(len(sizes))),
        tuple(rng.normal(0.1 * i, 1 + 0.3 * i, n) for i, n in enumerate(sizes)),
    )


def test_welch_gives_what_r_prints_for_the_sleep_data() -> None:
    result = welch_anova(SLEEP)
    assert result.statistic == pytest.approx(3.4626, abs=5e-5)
    assert result.df2 == pytest.approx(17.776, abs=5e-4)
    assert result.p == pytest.approx(0.07939, abs=5e-6)
    assert result.p_calibrated == pytest.approx(0.079, abs=0.012)


@pytest.mark.parametrize("sizes", [[5, 5], [5, 5, 5], [2, 3, 7, 4], [5] * 20])
def test_welch_agrees_with_statsmodels_and_scipy(sizes: list[int]) -> None:
    groups = drawn(sizes)
    result = welch_anova(groups, draws=99)
    theirs = anova_oneway(groups.values, use_var="unequal", welch_correction=True)
    assert result.statistic == pytest.approx(theirs.statistic)
    assert (result.df1, result.df2) == pytest.approx(theirs.df)
    assert result.p == pytest.approx(theirs.pvalue)
    assert result.p == pytest.approx(stats.f_oneway(*groups.values, equal_var=False).pvalue)


def test_classical_agrees_with_statsmodels_and_its_effect_size_with_the_sums_of_squares() -> None:
    groups = drawn([5, 4, 6, 5], seed=3)
    groups = Groups(groups.names, tuple(v + 2 * i for i, v in enumerate(groups.values)))
    result = classical_anova(groups)
    theirs = anova_oneway(groups.values, use_var="equal")
    assert (result.statistic, result.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    # Hays (1963): (SS_between − df_between MS_within) / (SS_total + MS_within).
    everything = np.concatenate(groups.values)
    within = sum(((v - v.mean()) ** 2).sum() for v in groups.values)
    total = ((everything - everything.mean()) ** 2).sum()
    error = within / result.df2
    assert result.omega_squared == pytest.approx(
        (total - within - result.df1 * error) / (total + error)
    )


def test_seeds_that_all_agree_are_left_out_and_named() -> None:
    groups = Groups(
        ("a", "same", "b", "single"),
        (np.array([1.0, 2, 3]), np.array([0.1 + 0.2, 0.3, 0.3]), np.array([4.0, 6, 5]), np.ones(1)),
    )
    result = welch_anova(groups)
    assert (result.methods, result.left_out) == (2, ("same", "single"))
    assert np.isfinite([result.statistic, result.p, result.p_calibrated]).all()


@pytest.mark.parametrize(
    "values", [[], [[1.0, 2.0]], [[1.0], [2.0]], [[1.0, 1.0], [2.0, 2.0]], [[], [1.0, 2.0]]]
)
def test_too_little_data_gives_a_reason_and_no_number(values: list[list[float]]) -> None:
    groups = Groups(tuple("abc"[: len(values)]), tuple(np.array(v, dtype=float) for v in values))
    for result in (welch_anova(groups), classical_anova(groups)):
        assert result.reason
        assert np.isnan([result.statistic, result.p]).all()


def test_splitting_keeps_the_order_of_appearance_and_drops_what_is_missing() -> None:
    frame = pd.DataFrame({"label": ["b", "a", "b", "a"], "value": [1.0, np.nan, 3.0, 4.0]})
    groups = split_by_label(frame)
    assert groups.names == ("b", "a")
    assert [v.tolist() for v in groups.values] == [[1.0, 3.0], [4.0]]
