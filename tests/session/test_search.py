"""Searches: the defaults first, every proposal a function of the seed and of what was scored."""

from __future__ import annotations

import math
import sys

import pytest

from ltbench.errors import UsageError
from ltbench.plugins.names import parse_chains
from ltbench.results.protocol import Protocol
from ltbench.session.search import Point, Space

ALL = ("hparams", "lr", "weight_decay", "batch_per_domain")


def space(text: str, *names: str, protocol: Protocol | None = None) -> Space:
    return Space(parse_chains(text)[0], protocol, names or ("hparams",))


def test_the_space_is_what_is_not_typed_of_the_algorithm_and_its_stages():
    assert space("erm").axes == {}
    assert set(space("focal").axes) == {"focal.gamma"}
    assert "brl.alpha" in space("brl").axes
    assert "brl.alpha" not in space("brl[alpha=1]").axes
    assert {"boda.weight", "posthoc-la.tau"} <= set(space("boda+posthoc-la").axes)


def test_betas_are_searched_where_the_optimiser_has_them():
    assert "dann.beta1" in space("dann").axes
    with_sgd = space("dann", protocol=Protocol(optimizer="sgd"))
    assert set(space("dann").axes) - set(with_sgd.axes) == {"dann.beta1"}
    assert "dann.beta1" not in with_sgd.random_point(0, 1)


def test_points_become_names_beside_what_was_typed():
    chain = space("boda[nu=1]+posthoc-la").at({"boda.weight": 0.5, "posthoc-la.tau": 2.0})
    assert "+".join(map(str, chain)) == "boda[nu=1,weight=0.5]+posthoc-la[tau=2.0]"


def test_random_trials_start_at_the_defaults_and_need_only_seed_and_number():
    brl = space("brl")
    assert brl.random_point(3, 0) == {}
    points = [brl.random_point(3, number) for number in range(1, 8)]
    assert points == [space("brl").random_point(3, number) for number in range(1, 8)]
    assert len({tuple(point.values()) for point in points}) == 7
    assert points != [brl.random_point(4, number) for number in range(1, 8)]
    fixed = space("brl[alpha=1]").random_point(3, 5)
    assert fixed == {key: value for key, value in points[4].items() if key != "brl.alpha"}


def test_settings_of_the_protocol_are_axes_beside_the_hyper_parameters():
    assert set(space("erm", *ALL).axes) == {
        "protocol.lr", "protocol.weight_decay", "protocol.batch_per_domain",
    }  # fmt: skip
    assert set(space("focal", "hparams", "lr").axes) == {"focal.gamma", "protocol.lr"}
    assert set(space("focal", "lr").axes) == {"protocol.lr"}
    protocol = Protocol(lr=0.1, steps=77)
    here = space("focal", *ALL, protocol=protocol)
    assert here.defaults["protocol.lr"] == 0.1
    assert here.protocol_at({}) == protocol
    point = here.random_point(0, 1)
    there = here.protocol_at(point)
    assert there != protocol
    assert there.steps == 77
    assert {f"protocol.{name}": getattr(there, name) for name in ALL[1:]}.items() <= point.items()
    assert [str(name) for name in here.at(point)] == [f"focal[gamma={point['focal.gamma']}]"]


def test_all_methods_are_tried_at_the_same_settings_of_the_protocol():
    """The draws are paired, so that no method has the luck of better learning rates."""
    for number in range(1, 6):
        points = [
            space(text, *names).random_point(7, number)
            for text, names in (("erm", ALL), ("brl+crt", ALL), ("focal", ("lr",)))
        ]
        rates = {point["protocol.lr"] for point in points}
        assert len(rates) == 1
        assert points[0]["protocol.weight_decay"] == points[1]["protocol.weight_decay"]


def test_what_is_searched_beside_does_not_change_the_draws_of_hyper_parameters():
    alone, beside = space("brl").random_point(3, 2), space("brl", *ALL).random_point(3, 2)
    assert alone.items() <= beside.items()


def test_a_bayesian_search_tries_settings_whose_default_lies_outside():
    pytest.importorskip("optuna", reason="needs the extra ltbench[tune]")
    erm = space("erm", *ALL)
    seen = [({}, 0.4), *((erm.random_point(0, n), 0.1 * n) for n in range(1, 5))]
    points = erm.bayes_points(0, [5, 6], seen, 4)
    assert points == erm.bayes_points(0, [5, 6], seen, 4)
    for point in points:
        erm.protocol_at(point)
        assert all(axis.holds(point[key]) for key, axis in erm.axes.items())


def score(point: Point) -> float:
    """Return a score in 0…1 that is highest at a weight of 0.3."""
    return 1 / (1 + (math.log10(point.get("boda.weight", 0.1)) - math.log10(0.3)) ** 2)


def search(seed: int, trials: int, batch: int, startup: int = 4) -> list[Point]:
    boda = space("boda")
    points: list[Point] = []
    while len(points) < trials:
        numbers = range(len(points), min(trials, len(points) + batch))
        seen = [(point, score(point)) for point in points]
        points += boda.bayes_points(seed, numbers, seen, startup)
    return points


def test_a_bayesian_search_repeats_itself_and_looks_where_scores_are_high():
    pytest.importorskip("optuna", reason="needs the extra ltbench[tune]")
    points = search(0, 30, 3)
    assert points == search(0, 30, 3)
    assert points[0] == {}
    assert points[1:4] == [space("boda").random_point(0, number) for number in (1, 2, 3)]
    scores = [score(point) for point in points]
    assert sum(scores[-10:]) / 10 > sum(scores[:4]) / 4
    assert all(space("boda").axes[k].holds(v) for point in points[1:] for k, v in point.items())


def test_failures_are_seen_as_the_worst_and_defaults_outside_the_search_are_passed_over():
    pytest.importorskip("optuna", reason="needs the extra ltbench[tune]")
    seen = [({}, None), ({"irm.weight": 5.0, "irm.anneal": 3}, 0.5)]
    irm = space("irm")
    assert irm.bayes_points(0, [2, 3], seen, 2) == irm.bayes_points(0, [2, 3], seen, 2)
    other = [({}, 0.9), *seen[1:]]
    assert len(irm.bayes_points(0, [2], other, 2)) == 1


def test_without_optuna_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert len(space("boda").bayes_points(0, [0, 1], [], 4)) == 2
    with pytest.raises(UsageError, match=r"pip install 'ltbench\[tune\]'"):
        space("boda").bayes_points(0, [4], [({}, 0.5)], 4)
