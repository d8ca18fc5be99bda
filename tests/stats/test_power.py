"""Power against statsmodels, published figures and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower

from ltbench.stats.diagnostics import diagnose
from ltbench.stats.groups import Groups
from ltbench.stats.power import all_pairs_power, pair_power, pooled_sd, power_table


@pytest.mark.parametrize(
    ("effect", "seeds", "level"), [(2, 5, 0.05), (0.5, 64, 0.05), (1, 9, 0.01)]
)
def test_two_methods_agree_with_statsmodels(effect: float, seeds: int, level: float) -> None:
    theirs = TTestIndPower().power(effect, seeds, level)
    assert pair_power(effect, seeds, level) == pytest.approx(theirs, abs=1e-6)


def test_cohens_medium_effect_needs_64_a_group() -> None:
    # Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), table 2.4.1.
    table = power_table(sd=2.0, difference=1.0, methods=2, family=1, seeds=5)
    assert table["seeds_needed"].iloc[0] == 64


def test_five_seeds_and_twenty_methods_find_a_pair_at_two_deviations_in_a_third_of_cases() -> None:
    assert all_pairs_power(2.0, 5, 20) == pytest.approx(0.32, abs=0.005)


def test_all_pairs_power_by_simulation() -> None:
    rng = np.random.default_rng(0)
    draws, methods, seeds = 4_000, 6, 5
    values = rng.normal(size=(draws, methods, seeds))
    values[:, 0] += 2.0
    means, pooled = values.mean(2), values.var(2, ddof=1).mean(1)
    quantile = stats.studentized_range.isf(0.05, methods, methods * (seeds - 1))
    found = np.abs(means[:, 0] - means[:, 1]) / np.sqrt(pooled / seeds) > quantile
    assert all_pairs_power(2.0, seeds, methods) == pytest.approx(found.mean(), abs=0.025)


def test_seeds_needed_reach_the_power_and_one_fewer_does_not() -> None:
    needed = power_table(1.0, 1.5, 10, 36, 5)["seeds_needed"]
    assert pair_power(1.5, int(needed[1]), 0.05 / 36) >= 0.8
    assert pair_power(1.5, int(needed[1]) - 1, 0.05 / 36) < 0.8
    assert all_pairs_power(1.5, int(needed[2]), 10) >= 0.8
    assert all_pairs_power(1.5, int(needed[2]) - 1, 10) < 0.8


def test_no_number_of_seeds_finds_almost_nothing() -> None:
    assert power_table(1.0, 0.01, 3, 8, 1)["seeds_needed"].isna().all()
    assert power_table(1.0, 0.01, 3, 8, 1)["power_now"].isna().all()


def test_spread_is_pooled_within_methods() -> None:
    groups = Groups(tuple("ab"), (np.array([1.0, 2, 3]), np.array([10.0, 14])))
    assert pooled_sd(groups.variances, groups.counts) == pytest.approx(math.sqrt((2 + 8) / 3))
    assert math.isnan(pooled_sd(np.array([np.nan]), np.array([1.0])))


def test_diagnostics_are_scipys() -> None:
    rng = np.random.default_rng(3)
    groups = Groups(tuple("abc"), tuple(rng.normal(0, s, 5) for s in (1, 2, 4)))
    result = diagnose(groups)
    theirs = stats.levene(*groups.values, center="median")
    assert (result.levene_f, result.levene_p) == pytest.approx((theirs.statistic, theirs.pvalue))
    scaled = np.concatenate([stats.zscore(v, ddof=1) for v in groups.values])
    assert result.shapiro_w == pytest.approx(stats.shapiro(scaled).statistic)
    assert (result.sd_low, result.sd_high) == pytest.approx(
        (min(v.std(ddof=1) for v in groups.values), max(v.std(ddof=1) for v in groups.values))
    )


def test_diagnostics_of_too_little_data_are_missing() -> None:
    two = Groups(tuple("ab"), (np.array([1.0, 2]), np.array([1.0, 1])))
    assert math.isnan(diagnose(two).levene_p)
    assert diagnose(Groups((), ())).residuals == 0
