"""Estimates of time, from runs that are done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ltbench.results.protocol import Protocol
from ltbench.results.run import BackboneSpec, Component, RunRecord, RunSpec
from ltbench.session.estimate import Estimator, wall_seconds


def spec(algo: str = "erm", *stages: str, steps: int = 100, batch: int = 8, data: str = "d"):
    return RunSpec(
        algorithm=Component(algo), stages=tuple(map(Component, stages)), dataset=Component(data),
        split="", protocol=Protocol(steps=steps, batch_per_domain=batch),
        backbone=BackboneSpec("net"), precision="fp32", seed=0, method=algo,
    )  # fmt: skip


def record(algo: str = "erm", seconds: float = 10.0, **more) -> RunRecord:
    return replace(
        RunRecord(
            path="", status="done", algorithm=algo, dataset="d", backbone="net", seconds=seconds,
            protocol={"steps": 100, "batch_per_domain": 8}, environment={"device": "cpu (some)"},
        ),
        **more,
    )  # fmt: skip


def test_the_same_algorithm_counts_before_others():
    estimator = Estimator([record(seconds=10), record("boda", 30)], "cpu")
    assert estimator.seconds(spec("boda")) == pytest.approx(30)
    assert estimator.seconds(spec("erm", steps=200)) == pytest.approx(20)
    assert estimator.seconds(spec("erm", batch=4)) == pytest.approx(5)
    assert estimator.seconds(spec("other")) == pytest.approx(20)


def test_stages_take_steps_of_their_own():
    estimator = Estimator([record(seconds=10)], "cpu")
    assert estimator.seconds(spec("erm", "crt")) == pytest.approx(20)
    assert estimator.seconds(spec("erm", "tau-norm")) == pytest.approx(10)
    crt = record(seconds=14, stages=("crt",))
    assert Estimator([crt], "cpu").seconds(spec("erm", "crt", steps=50)) == pytest.approx(7)
    assert Estimator([crt], "cpu").seconds(spec("erm")) is None


@pytest.mark.parametrize(
    "other",
    [
        {"dataset": "e"}, {"backbone": "net2"}, {"environment": {"device": "cuda (H200)"}},
        {"status": "failed"}, {"seconds": float("nan")}, {"protocol": {}},
        {"protocol": {"steps": "x", "batch_per_domain": 8}}, {"environment": {}},
    ],
)  # fmt: skip
def test_runs_that_say_nothing_of_this_one(other):
    assert Estimator([record(**other)], "cpu").seconds(spec()) is None


def test_the_kind_of_device_is_what_counts():
    gpu = record(environment={"device": "cuda (NVIDIA H200)"}, seconds=1)
    assert Estimator([gpu, record()], "cuda:1").seconds(spec()) == pytest.approx(1)


def test_costs_are_comparable_where_only_some_are_known():
    estimator = Estimator([record(seconds=10)], "cpu")
    known, unknown = spec(steps=300), spec(data="e", steps=200)
    assert estimator.costs([known, unknown]) == pytest.approx([30, 20])
    assert Estimator([], "cpu").costs([known, unknown]) == [2400, 1600]


def test_the_wall_time_is_that_of_the_slots():
    assert wall_seconds([], 2) == 0
    assert wall_seconds([1, 1, 4], 1) == 6
    assert wall_seconds([1, 1, 4], 2) == 4
    assert wall_seconds([3, 3, 2, 2], 2) == 5
    assert wall_seconds([4], 0) == 4
