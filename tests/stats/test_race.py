"""The sequential test of races: what it drops, how often that is the best, and what it saves."""

from __future__ import annotations

import math
from pathlib import Path

import betting_seeds as betting_seeds_script
import numpy as np
import pytest
import simulated_races
from betting_seeds import betting_seeds, racing_seeds
from scipy import stats
from simulated_races import (
    BEYOND,
    EQUAL,
    GAPS,
    METHODS,
    different_methods,
    dropped_best,
    equal_methods,
    many_races,
    outcome,
)

from ltbench.stats.race import FIRST_LOOK, PROMISED, SPENT, race, rival

HARDEST = "the same, the best varies most"


def test_a_method_that_is_far_behind_is_dropped_at_the_first_look():
    rng = np.random.default_rng(0)
    scores = [rng.normal(mean, 0.5, 5) for mean in (80, 80.1, 50)]
    standing = race(scores)
    assert sorted(standing.left) == [0, 1]
    (drop,) = standing.dropped
    assert (drop.method, drop.seeds) == (2, FIRST_LOOK)
    assert 25 < drop.difference - drop.reach < drop.difference < 35
    assert standing.seeds == 5


def test_two_methods_are_compared_by_students_t_of_their_differences():
    one, other = np.array([3.0, 1.0, 2.5, 2.0]), np.array([0.0, 0.4, 0.1, 0.3])
    apart = one - other
    for seeds, share in ((3, 1 / 2), (4, 1 / 6)):
        t, p = stats.ttest_1samp(apart[:seeds], 0, alternative="greater")
        standing = race([one[:seeds], other[:seeds]])
        assert standing.decided == (p < SPENT * share)
        found = rival([one[:seeds], other[:seeds]], standing, 1)
        assert found.difference / found.reach == pytest.approx(
            t / stats.t.isf(SPENT * share, seeds - 1)
        )


def test_levels_of_all_looks_and_rivals_sum_to_what_is_spent():
    looks = np.arange(1, 100_000)
    assert (SPENT / (looks * (looks + 1))).sum() == pytest.approx(SPENT, rel=1e-4)


def test_nothing_is_dropped_before_the_first_look_nor_without_spread():
    assert race([np.array([1.0, 1.0]), np.array([0.0, 0.1])]).dropped == ()
    assert race([np.ones(8), np.zeros(8)]).dropped == ()
    standing = race([np.ones(8), np.zeros(8)])
    assert rival([np.ones(8), np.zeros(8)], standing, 1).reach == math.inf


def test_a_race_is_the_same_however_many_more_seeds_there_are_of_those_dropped():
    rng = np.random.default_rng(1)
    scores = [rng.normal(mean, 1, 9) for mean in (80, 79, 60, 40)]
    whole = race(scores)
    until = {drop.method: drop.seeds for drop in whole.dropped}
    assert {2, 3} <= until.keys()
    assert race([s[: until.get(i, 9)] for i, s in enumerate(scores)]) == whole


def test_seeds_that_one_method_lacks_are_waited_for():
    rng = np.random.default_rng(2)
    standing = race([rng.normal(80, 1, 7), rng.normal(80, 1, 4)])
    assert standing.seeds == 4
    assert set(standing.left) == {0, 1}


def test_fewer_than_two_methods_are_no_race():
    with pytest.raises(ValueError, match="two methods"):
        race([np.ones(3)])


def test_as_many_seeds_as_are_needed_find_the_difference_as_often_as_said():
    rng = np.random.default_rng(3)
    scores = [rng.normal(0.8, 1, 6), rng.normal(0.0, 1, 6)]
    scores[0] += 1.0 - (scores[0] - scores[1]).mean()
    apart = scores[0] - scores[1]
    scores[0] -= (apart - 1.0) * (1 - 1.0 / apart.std(ddof=1))  # differences of mean 1, deviation 1
    needed = rival(scores, race(scores), 1).seeds_needed
    assert needed is not None
    draws = rng.normal(1.0, 1.0, (4_000, needed))
    t = draws.mean(axis=1) / draws.std(axis=1, ddof=1) * math.sqrt(needed)
    look = needed - FIRST_LOOK + 1
    power = (t > stats.t.isf(SPENT / (look * (look + 1)), needed - 1)).mean()
    assert 0.7 < power < 0.9


@pytest.mark.parametrize("methods", [2, 8])
def test_the_best_is_seldom_dropped_at_its_hardest(methods):
    scores = equal_methods(HARDEST, methods, 2_000, 10)
    assert dropped_best(scores) <= PROMISED


@pytest.mark.parametrize("name", BEYOND)
def test_methods_that_collapse_now_and_then_are_outside_of_the_promise(name):
    scores = equal_methods(name, 2, 2_000, 10)
    assert np.abs(scores.mean(axis=(0, 2))).max() < 0.5  # as good, on the mean of all seeds
    assert dropped_best(scores) > 5 * PROMISED


@pytest.mark.parametrize("name", [HARDEST, *BEYOND, "0 to 20 points, evenly"])
@pytest.mark.parametrize("methods", [2, 5, 8])
def test_simulated_races_are_races(name, methods):
    if name in GAPS:
        scores = different_methods(GAPS[name][:methods], 40, 9)
    else:
        scores = equal_methods(name, methods, 40, 9)
    left, used = many_races(scores)
    for one, still, seeds in zip(scores, left, used, strict=True):
        standing = race(list(one))
        assert sorted(standing.left) == np.flatnonzero(still).tolist()
        until = {drop.method: drop.seeds for drop in standing.dropped}
        assert [until.get(i, standing.seeds) for i in range(methods)] == seeds.tolist()


def test_betting_needs_many_times_the_seeds():
    assert racing_seeds(1, 200) == pytest.approx(10, abs=1)
    # With a bet of λ a seed is worth log(1 + λ/40) at most, as 5 points are 1/40 of the scale.
    for largest in (1.0, 2.0):
        least = math.log(20) / math.log1p(largest / 40)
        assert least <= betting_seeds(largest, 1, 100) <= 1.25 * least


def test_seeds_are_saved():
    found = outcome(different_methods(GAPS["one leads by 8"], 500, 10))
    assert found["runs"] < 0.6 * 80
    assert found["kept"] > 0.95


@pytest.mark.parametrize("name", [name for name in GAPS if name != "all equal"])
def test_five_seeds_at_most_are_fewer_runs_than_five_for_all(name):
    scores = different_methods(GAPS[name], 2_000, 5)
    found, whole = outcome(scores), scores.shape[1] * scores.shape[2]
    assert whole == 40
    assert found["runs"] < 0.92 * whole
    by_all_seeds = float((scores.mean(axis=2).argmax(axis=1) == 0).mean())
    assert found["named"] >= by_all_seeds - 0.005


@pytest.mark.slow
@pytest.mark.parametrize("script", [simulated_races, betting_seeds_script])
def test_the_tables_on_the_page_are_those_that_the_scripts_print(script, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["script"])
    script.main()
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    page = (Path(__file__).parents[2] / "docs" / "race.md").read_text(encoding="utf-8")
    assert len(printed) >= 5
    assert [line for line in printed if line not in page.splitlines()] == []


@pytest.mark.slow
@pytest.mark.parametrize("methods", METHODS)
@pytest.mark.parametrize("name", EQUAL)
def test_the_best_is_dropped_in_at_most_one_race_of_twenty(name, methods):
    assert dropped_best(equal_methods(name, methods, 10_000, 20)) <= PROMISED
