"""All pairs, letters, rank sets and comparisons with a reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from ltbench.stats.effect_size import hedges_g
from ltbench.stats.groups import Groups
from ltbench.stats.letters import compact_letters
from ltbench.stats.pairwise import all_pairs
from ltbench.stats.rank_sets import rank_sets
from ltbench.stats.reference import against_reference, holm


def drawn(k: int, n: int = 5, seed: int = 0) -> Groups:
    rng = np.random.default_rng(seed)
    return Groups(
        tuple(f"m{i}" for i in range(k)),
        tuple(rng.normal(0.5 * i, 1 + 0.2 * i, n + i % 3) for i in range(k)),
    )


def test_pairs_agree_with_scipys_games_howell() -> None:
    groups = drawn(5)
    table = all_pairs(groups, draws=99, textbook=True)
    theirs = stats.tukey_hsd(*groups.values, equal_var=False)
    first, second = np.triu_indices(5, 1)
    np.testing.assert_allclose(table["p_games_howell"], theirs.pvalue[first, second], rtol=1e-6)
    np.testing.assert_allclose(table["difference"], theirs.statistic[first, second])


def test_calibrated_p_of_many_seeds_is_the_textbooks() -> None:
    # With 60 seeds the studentized range is a good approximation, so both must agree.
    rng = np.random.default_rng(2)
    groups = Groups(tuple("abcd"), tuple(rng.normal(0.15 * i, 1, 60) for i in range(4)))
    table = all_pairs(groups, draws=20_000, textbook=True)
    np.testing.assert_allclose(table["p"], table["p_games_howell"], atol=0.015)


def test_two_methods_have_welchs_t_and_df() -> None:
    groups = drawn(2)
    theirs = stats.ttest_ind(*groups.values, equal_var=False)
    pair = all_pairs(groups).iloc[0]
    assert (pair["t"], pair["df"]) == pytest.approx((theirs.statistic, theirs.df))
    assert pair["low"] <= pair["difference"] <= pair["high"]


def test_pairs_without_spread_are_not_judged_and_spoil_nothing() -> None:
    values = ([1.0, 1, 1], [2.0, 2, 2], [1.0, 2, 3], [2.0, 3, 9])
    groups = Groups(tuple("abcd"), tuple(np.array(v) for v in values))
    table = all_pairs(groups).set_index(["a", "b"])
    assert math.isnan(table.loc[("a", "b"), "p"])
    assert table.drop(("a", "b"))["p"].between(0, 1).all()
    assert np.isfinite(table.drop(("a", "b"))[["low", "high", "t", "df"]]).all(axis=None)


def test_hedges_g_of_a_textbooks_example() -> None:
    # Borenstein, Hedges, Higgins & Rothstein, Introduction to Meta-Analysis (2009), p. 26–27:
    # means 103 and 100, standard deviations 5.5 and 4.5, 50 each: d = .5970, g = .5924.
    rng = np.random.default_rng(0)

    def sample(mean: float, sd: float) -> np.ndarray:
        z = rng.normal(size=50)
        return mean + sd * (z - z.mean()) / z.std(ddof=1)

    assert hedges_g(sample(103, 5.5), sample(100, 4.5)) == pytest.approx(0.5924, abs=1e-4)


def test_hedges_g_has_no_bias_at_five_seeds() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(1, 1, (2, 4000, 5)) + np.array([[[1.0]], [[0.0]]])
    mean = np.mean([hedges_g(x, y) for x, y in zip(a, b, strict=True)])
    assert mean == pytest.approx(1.0, abs=0.05)  # Cohen's d would be 1.108


def test_holm_of_a_worked_example() -> None:
    # Four p-values whose adjustment is .03, .06, .06, .02 (Holm 1979, section 3's procedure).
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_agrees_with_statsmodels(p: list[float]) -> None:
    np.testing.assert_allclose(holm(np.array(p)), multipletests(p, method="holm")[1], atol=1e-12)


def test_what_could_not_be_tested_still_counts_in_the_family() -> None:
    assert holm(np.array([0.02, np.nan, 0.5]))[0] == pytest.approx(0.06)


def test_reference_is_compared_by_welchs_t_over_one_family() -> None:
    groups = drawn(4)
    table = against_reference({"x": groups, "y": groups}, "m1")
    assert len(table) == 6
    row = table[(table["metric"] == "y") & (table["label"] == "m3")].iloc[0]
    theirs = stats.ttest_ind(groups.values[3], groups.values[1], equal_var=False)
    assert row["p"] == pytest.approx(theirs.pvalue)
    interval = theirs.confidence_interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert row["difference"] == pytest.approx(groups.means[3] - groups.means[1])
    assert table["p_holm"].min() == pytest.approx(min(1, 6 * table["p"].min()))


def test_reference_that_is_absent_or_has_one_seed_gives_no_rows() -> None:
    assert against_reference({"x": drawn(3)}, "erm").empty
    single = Groups(("erm", "b"), (np.ones(1), np.array([1.0, 2.0])))
    assert against_reference({"x": single}, "erm").empty


names = st.integers(2, 9).map(lambda k: [f"m{i}" for i in range(k)])


@settings(max_examples=200, deadline=None)
@given(names.flatmap(lambda n: st.tuples(st.just(n), st.sets(st.sampled_from(_pairs(n))))))
def test_letters_are_shared_exactly_by_methods_not_told_apart(
    drawn: tuple[list[str], set[frozenset[str]]],
) -> None:
    order, different = drawn
    letters = compact_letters(order, different)
    for pair in _pairs(order):
        one, other = pair
        assert bool(set(letters[one]) & set(letters[other])) == (pair not in different)
    assert letters[order[0]].startswith("a")


def test_a_method_between_two_that_differ_has_both_letters() -> None:
    # b differs from nothing, a from c: the classic overlapping case.
    assert compact_letters(["a", "b", "c"], {frozenset("ac")}) == {"a": "a", "b": "ab", "c": "b"}


def test_rank_sets_count_only_real_differences() -> None:
    means = {"a": 0.9, "b": 0.8, "c": 0.7}
    assert rank_sets(means, set()) == {"a": (1, 3), "b": (1, 3), "c": (1, 3)}
    different = {frozenset("ac"), frozenset("bc")}
    assert rank_sets(means, different) == {"a": (1, 2), "b": (1, 2), "c": (3, 3)}
    assert rank_sets(means, different, larger_is_better=False)["c"] == (1, 1)


def _pairs(order: list[str]) -> list[frozenset[str]]:
    return [frozenset((a, b)) for i, a in enumerate(order) for b in order[:i]]
