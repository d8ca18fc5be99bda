"""When a stage is evaluated, and when it ends before its last step."""

from __future__ import annotations

import json

import pytest

from ltbench.errors import UsageError
from ltbench.results.folder import RunFolder
from ltbench.results.protocol import Protocol
from ltbench.session.plan import Request, plan_runs
from ltbench.testing.small_run import carry_out, check_same
from ltbench.training.run import execute

STILL = {"lr": 1e-12, "augmentation": "none", "eval_every": 1}
"""With no rate to speak of nothing gets better after the first evaluation."""


@pytest.mark.parametrize(
    ("evaluations", "steps", "expected"),
    [
        (1, 12, [12]),
        (3, 12, [4, 8, 12]),
        (5, 12, [3, 5, 8, 10, 12]),
        (12, 12, list(range(1, 13))),
        (40, 4, [1, 2, 3, 4]),
    ],
)
def test_a_number_of_evaluations_is_spread_evenly(evaluations, steps, expected):
    protocol = Protocol(evaluations=evaluations)
    assert [s for s in range(1, steps + 1) if protocol.evaluates_at(s, steps)] == expected


def test_every_stage_has_as_many(make_job, tmp_path):
    log = carry_out(make_job("erm+crt", evaluations=4).spec, tmp_path / "run", tmp_path).log
    assert [(r["stage"], r["step"]) for r in log] == [
        (stage, step) for stage in ("erm", "crt") for step in (3, 6, 9, 12)
    ]


def plan(protocol: str, **settings: object) -> Protocol:
    request = Request(["erm"], ["tiny-mlt"], [0], "fp32", ".", settings, protocol=protocol)
    return plan_runs(request).specs[0].protocol


def test_it_stands_in_the_place_of_steps_between_evaluations():
    assert plan("tiny[evaluations=4]").evaluations == 4
    assert plan("tiny[evaluations=4]") == plan("tiny", evaluations=4)
    assert plan("tiny[evaluations=0,eval_every=5]").eval_every == 5
    assert plan("tiny[evaluations=4]", steps=6) == plan("tiny[steps=6]", evaluations=4)
    assert plan("tiny[epochs=2,evaluations=4]").steps == 8


@pytest.mark.parametrize(
    ("protocol", "settings", "message"),
    [
        ("tiny[evaluations=4,eval_every=3]", {}, "'eval_every' and 'evaluations' say one thing"),
        ("tiny[evaluations=4,eval_epochs=3]", {}, "'eval_epochs' and 'evaluations' say one thing"),
        ("tiny", {"evaluations": 4, "eval_every": 3}, "'eval_every' and 'evaluations' say one"),
        ("tiny[evaluations=4]", {"eval_every": 3}, "both give 'eval_every'"),
        ("tiny[evaluations=13]", {}, "evaluations=13 are more than the 12 steps"),
        ("tiny[patience=3,select=last]", {}, "patience waits for a better validation score"),
    ],
)
def test_what_contradicts_itself_is_one_sentence(protocol, settings, message):
    with pytest.raises(UsageError, match=message):
        plan(protocol, **settings)


def test_a_stage_ends_when_the_score_has_not_risen_for_so_long(make_job):
    job = make_job("erm+crt", patience=2, **STILL)
    events = []
    result = execute(job, events.append, lambda: False)
    log = [json.loads(line) for line in RunFolder(job.folder).log.read_text().splitlines()]
    assert [(r["stage"], r["step"]) for r in log] == [
        (stage, step) for stage in ("erm", "crt") for step in (1, 2, 3)
    ]
    assert [bool(r.get("stopped")) for r in log] == [False, False, True] * 2
    assert result["selection"]["stopped"] == [
        {"stage": "erm", "step": 3},
        {"stage": "crt", "step": 3},
    ]
    assert result["selection"]["step"] == 1
    assert [e["step"] for e in events if e["event"] == "evaluated"] == [1, 2, 3] * 2


def test_one_that_reaches_its_last_step_did_not_stop_early(make_job):
    result = execute(make_job(patience=11, **STILL), lambda _: None, lambda: False)
    assert "stopped" not in result["selection"]
    assert result["selection"]["step"] == 1


@pytest.mark.parametrize("stops", [[2], [3], [4], [3, 5]])
def test_it_ends_where_an_uninterrupted_one_ends(make_job, tmp_path, stops):
    spec = make_job("erm+crt", patience=2, **STILL).spec
    whole = carry_out(spec, tmp_path / "whole", tmp_path)
    broken = carry_out(spec, tmp_path / "broken", tmp_path, stops=stops)
    check_same(whole, broken, "with patience, broken off and resumed,")
    results = [json.loads(RunFolder(tmp_path / n).result.read_text()) for n in ("whole", "broken")]
    assert results[0]["selection"] == results[1]["selection"]


def test_the_schedule_keeps_its_planned_length(make_job, tmp_path):
    settings = {**STILL, "schedule": "poly"}
    short = carry_out(make_job(patience=2, **settings).spec, tmp_path / "short", tmp_path)
    long = carry_out(make_job(**settings).spec, tmp_path / "long", tmp_path)
    assert [r["lr"] for r in short.log] == [r["lr"] for r in long.log][:3]
