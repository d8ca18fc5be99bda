"""The log of every stage is of the steps and evaluations that the protocol asks for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dishonest import sentences
from test_verify import place

from ltbench.session.verification.specification import _evaluated
from ltbench.training.first_stage import log_digest

STAGE = "/erm@ema+crt/"


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda lines: lines[:2], "its crt was evaluated 0 times up to step 0, and 12 steps"),
        (lambda lines: lines[:-1], "its crt was evaluated 1 times up to step 6, and 12 steps"),
        (lambda lines: lines[:2] + lines[3:], "its crt was evaluated 1 times up to step 12"),
        (lambda lines: [*lines, {**lines[-1], "step": 18}], "its crt was evaluated 3 times"),
        (lambda lines: [*lines, {**lines[-1], "stage": "lws"}], "it holds other stages"),
        (lambda lines: lines[2:] + lines[:2], "its erm@ema was evaluated 0 times"),
    ],
)
def test_a_later_stage_of_other_steps(members, check, change, cause):
    at = place(members, STAGE, 0)
    name = members.find(at, "log.jsonl")
    lines = [json.loads(line) for line in members[name].splitlines()]
    assert [(line["stage"], line["step"]) for line in lines] == [
        ("erm@ema", 6), ("erm@ema", 12), ("crt", 6), ("crt", 12)
    ]  # fmt: skip
    members[name] = "".join(json.dumps(line) + "\n" for line in change(lines)).encode()
    members.edit(at, "result.json", lambda d: d.update(log_sha256=log_digest(members[name])))
    assert f"another protocol than spec.json claims: {cause}" in sentences(check(members))


def test_one_stage_twice_and_one_without_steps():
    told = [("erm", 3), ("crt", 3), ("crt", 6), ("crt", 3), ("crt", 6), ("mlls", 0)]
    lines = [{"stage": stage, "step": step} for stage, step in told]
    assert _evaluated(lines, ["erm", "crt", "crt", "mlls"]) == ([[3], [3, 6], [3, 6], [0]], 0)
    assert _evaluated(lines, ["erm", "crt"]) == ([[3], [3, 6]], 3)
