"""What tables claim of methods that could not be tested, and intervals near the ends of a scale."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from ltbench.stats.claims import analyse
from ltbench.stats.diagnostics import diagnose
from ltbench.stats.groups import Groups
from ltbench.stats.intervals import half_width, share_interval
from ltbench.stats.power import all_pairs_power, power_table, table_power
from ltbench.stats.rank_sets import rank_sets
from ltbench.stats.reference import against_reference


def frame(scores: dict[str, list[float]], metric: str = "x") -> pd.DataFrame:
    rows = [(label, seed, metric, value)
            for label, values in scores.items() for seed, value in enumerate(values)]  # fmt: skip
    return pd.DataFrame(rows, columns=["label", "seed", "metric", "value"])


def test_ranks_leave_room_for_listed_methods_without_a_test() -> None:
    means = {"a": 0.9, "b": 0.8, "c": 0.7}
    different = {frozenset("ac"), frozenset("bc")}
    ranks = rank_sets(means, different, untested=2)
    assert ranks == {"a": (1, 4), "b": (1, 4), "c": (3, 5)}
    close = [0.7, 0.71, 0.69, 0.7, 0.705]
    scores = frame({"erm": close, "far": [x - 0.4 for x in close], "single": [0.9], "one": [0.8]})
    analysis = analyse(scores, primary="x", declared=["x"], reference="erm")
    assert analysis.ranks == {"erm": (1, 3), "far": (2, 4)}
    assert any("leave room" in sentence for sentence in analysis.missing)


def test_two_seeds_among_five_enter_no_claim_of_the_table_but_are_compared() -> None:
    rng = np.random.default_rng(0)
    groups = {name: list(rng.normal(size=5)) for name in ("erm", "a", "b")}
    scores = frame({**groups, "few": [3.0, 3.1]})
    analysis = analyse(scores, primary="x", declared=["x"], reference="erm")
    assert analysis.omnibus["x"].methods == 3
    assert analysis.omnibus["x"].left_out == ("few",)
    assert "few" not in analysis.ranks
    assert "few" in set(analysis.comparisons["label"])
    assert any("With two seeds where others have more" in text for text in analysis.missing)


def test_a_third_seed_of_one_method_takes_no_claim_from_the_others() -> None:
    scores = {name: [i, i + 0.1] for i, name in enumerate(("erm", "a", "b", "c"))}
    scores["erm"].append(0.05)
    analysis = analyse(frame(scores), primary="x", declared=["x"], reference="erm")
    assert analysis.omnibus["x"].methods == 4
    assert set(analysis.ranks) == set(scores)
    assert not any("With two seeds" in text for text in analysis.missing)


def test_the_reference_is_compared_carefully_with_a_method_of_far_fewer_seeds() -> None:
    rng = np.random.default_rng(1)
    many, few = rng.normal(size=10), np.array([1.5, 1.6, 1.55])
    groups = Groups(("erm", "few"), (many, few))
    row = against_reference({"x": groups}, "erm").iloc[0]
    # Welch's t has 9.5 degrees of freedom, as if the three seeds' spread were known.
    assert row["p"] > 1.2 * 2 * (1 - _student(abs(row["t"]), row["df"]))
    assert (row["low"] <= 0 <= row["high"]) == (row["p"] > 0.05)


def _student(t: float, df: float) -> float:
    from scipy import stats

    return float(stats.t.cdf(t, df))


def test_methods_without_spread_are_named_for_every_metric() -> None:
    varied = {"erm": [0.1, 0.2, 0.3], "a": [0.2, 0.3, 0.5], "b": [0.4, 0.2, 0.1]}
    constant = {**varied, "a": [0.5, 0.5, 0.5]}
    scores = pd.concat([frame(varied, "x"), frame(constant, "y")])
    analysis = analyse(scores, primary="x", declared=["x", "y"], reference="erm")
    assert any(
        s.startswith("All seeds agree on y") and s.endswith(": a.") for s in analysis.missing
    )


def test_normal_scores_pass_for_normal() -> None:
    rng = np.random.default_rng(0)
    names = tuple(f"m{i}" for i in range(20))
    groups = [Groups(names, tuple(rng.normal(size=(20, 5)))) for _ in range(60)]
    rejected = np.mean([diagnose(g).shapiro_p <= 0.05 for g in groups])
    assert rejected <= 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / 60)
    skewed = Groups(names, tuple(rng.exponential(size=(20, 10)) ** 2))
    assert diagnose(skewed).shapiro_p <= 0.01


@pytest.mark.parametrize("images", [14, 28])
@pytest.mark.parametrize("chance", [0.02, 0.05, 0.1, 0.95])
@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_intervals_of_shares_stay_on_the_scale_and_hold_the_truth(
    images: int, chance: float, seeds: int
) -> None:
    """Accuracies of few images, such as those of zero-shot pairs, one more alike than another."""
    rng = np.random.default_rng(0)
    own = rng.beta(chance * 19, (1 - chance) * 19, size=(2_000, seeds))
    scores = rng.binomial(images, own) / images
    ends = np.array([share_interval(s.mean(), half_width(s)) for s in scores])
    printed = ends[~np.isnan(ends[:, 0])]
    assert ((printed >= 0) & (printed <= 1)).all()
    held = ((printed[:, 0] <= chance) & (chance <= printed[:, 1])).mean()
    assert held >= 0.93 - 2 * math.sqrt(0.93 * 0.07 / len(printed))
    agree = np.ptp(scores, axis=1) == 0
    assert np.isnan(ends[agree]).all()


def test_an_interval_within_the_scale_is_students() -> None:
    assert share_interval(0.5, 0.1) == pytest.approx((0.4, 0.6))


def test_seeds_needed_are_those_of_the_test_that_is_used() -> None:
    """Of 20 methods with 5 seeds, Tukey's test finds three deviations three times as often."""
    assert table_power(3.0, 5, 20) == pytest.approx(0.29, abs=0.03)
    assert all_pairs_power(3.0, 5, 20) == pytest.approx(0.85, abs=0.01)
    table = power_table(1.0, 2.0, 20, 76, 5)
    assert list(table["seeds_needed"].iloc[2:]) == [10, 13]


def test_no_power_is_unknown_because_a_tail_is() -> None:
    assert [round(all_pairs_power(effect, 8, 20), 2) for effect in (3.0, 6.0)] == [0.99, 1.0]
