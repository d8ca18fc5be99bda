"""Seconds of a run's parts, against a clock that is turned by hand."""

from __future__ import annotations

import pytest

from ltbench.plugins import stopwatch as module
from ltbench.plugins.stopwatch import Stopwatch


class Hand:
    """A clock that stands still until it is turned."""

    now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    hand = Hand()
    monkeypatch.setattr(module, "time", hand)
    return hand


def test_an_outer_part_stands_still_while_an_inner_one_is_open(hand: Hand) -> None:
    watch = Stopwatch({"forward": 10.0})
    with watch.part("own"):
        hand.now += 1
        with watch.part("forward"):
            hand.now += 2
        hand.now += 4
    hand.now += 8  # nobody's
    with watch.part("own"):
        hand.now += 16
    assert watch.seconds == {"forward": 12.0, "own": 21.0}


def test_a_whole_part_counts_what_is_within(hand: Hand) -> None:
    watch = Stopwatch()
    with watch.part("own"):
        hand.now += 1
        with watch.part("evaluation", whole=True):
            hand.now += 2
            with watch.part("forward"), watch.part("own"):
                hand.now += 4
            hand.now += 8
        hand.now += 16
    assert watch.seconds == {"own": 17.0, "evaluation": 14.0}


def test_a_part_that_fails_is_closed(hand: Hand) -> None:
    watch = Stopwatch()

    def fail() -> None:
        with watch.part("own"), watch.part("forward", whole=True):
            hand.now += 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with watch.part("input"):
        hand.now += 2
    assert watch.seconds == {"forward": 1.0, "own": 0.0, "input": 2.0}
