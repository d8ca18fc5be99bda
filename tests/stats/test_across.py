"""Comparisons across data sets against Demšar's worked example and SciPy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ltbench.stats.across import across_datasets, friedman_statistic, nemenyi_distance

# Demšar, JMLR 7 (2006), table 6: AUC of C4.5 and its variants with pruning (m), confidence (cf)
# and both, on 14 data sets.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967], [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875], [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
    ]
)  # fmt: skip


def test_demsars_example() -> None:
    scores = pd.DataFrame(DEMSAR.T, index=["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"])
    result = across_datasets(scores)
    assert result.mean_ranks.round(3).to_dict() == {
        "C4.5+m+cf": 1.964, "C4.5+m": 2.0, "C4.5+cf": 2.893, "C4.5": 3.143
    }  # fmt: skip
    # He prints 9.28 without the correction for ties, which SciPy's and ours have.
    uncorrected = 12 * 14 / 20 * ((result.mean_ranks**2).sum() - 4 * 25 / 4)
    assert uncorrected == pytest.approx(9.28, abs=0.01)
    theirs = stats.friedmanchisquare(*DEMSAR.T)
    assert (result.statistic, result.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert result.p_permutation == pytest.approx(theirs.pvalue, abs=0.01)
    assert result.critical_difference == pytest.approx(1.25, abs=0.005)


@pytest.mark.parametrize(
    ("methods", "q"),
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (10, 3.164)],
)
def test_nemenyi_quantiles_of_demsars_table_5(methods: int, q: float) -> None:
    distance = nemenyi_distance(methods, 10)
    assert distance / np.sqrt(methods * (methods + 1) / 60) == pytest.approx(q, abs=1e-3)


def test_six_data_sets_and_twenty_methods_need_twelve_ranks() -> None:
    assert nemenyi_distance(20, 6) == pytest.approx(12.1, abs=0.05)


def test_ranks_of_two_methods_are_a_sign_test() -> None:
    scores = pd.DataFrame([[0.9] * 8, [0.8] * 8], index=["a", "b"])
    result = across_datasets(scores)
    assert result.statistic == pytest.approx(8.0)
    assert result.p_permutation == pytest.approx(2 / 2**8, abs=0.003)


def test_a_loss_ranks_the_other_way_round() -> None:
    scores = pd.DataFrame([[1.0, 2, 3], [0.5, 1, 2]], index=["a", "b"])
    assert across_datasets(scores, larger_is_better=False).mean_ranks.index[0] == "b"


def test_ties_everywhere_find_nothing() -> None:
    assert friedman_statistic(np.full((4, 3), 2.0)) == 0


def test_incomplete_methods_and_too_few_data_sets_are_named_not_averaged() -> None:
    scores = pd.DataFrame(
        {"x": [0.5, 0.6, np.nan], "y": [0.5, 0.7, 0.8], "z": [0.1, 0.2, 0.3]}, index=list("abc")
    )
    result = across_datasets(scores)
    assert result.incomplete == ("c",)
    assert list(result.mean_ranks.index) == ["b", "a"]
    few = across_datasets(scores[["x", "y"]])
    assert "3 data sets" in few.reason
    assert few.mean_ranks.empty
    assert np.isnan(few.critical_difference)
