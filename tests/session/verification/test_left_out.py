"""Who leaves out what a check needs is told so, or has no badge of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dishonest import sentences
from test_verify import ERM, FIRST, place

from ltbench.training.first_stage import log_digest


def relogged(members, change):
    """Edit the lines of a log and let its digest fit."""
    at = place(members, ERM, 0)
    name = members.find(at, "log.jsonl")
    lines = [json.loads(line) for line in members[name].splitlines()]
    for number, line in enumerate(lines):
        change(number, line)
    members[name] = "".join(json.dumps(line) + "\n" for line in lines).encode()
    members.edit(at, "result.json", lambda d: d.update(log_sha256=log_digest(members[name])))


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda d: d.pop("val"), "result.json lacks the scores of the validation images"),
        (lambda d: d.update(val={"accuracy": d["val"]["accuracy"]}),
         "result.json lacks the macro_f1_average by which its model was chosen"),
        (lambda d: d["selection"].update(metric="step"),
         "does not choose its model by macro_f1_average, as its protocol does"),
        (lambda d: d["selection"].update(metric="accuracy_worst"), "does not choose its model by"),
        (lambda d: d.pop("selection"), "does not choose its model by macro_f1_average"),
    ],
)  # fmt: skip
def test_what_the_model_was_chosen_by(members, check, change, cause):
    members.edit(place(members, ERM, 0), "result.json", change)
    lines = sentences(check(members)).splitlines()
    assert any(line.startswith(FIRST) and cause in line for line in lines)


def test_rates_that_the_log_does_not_tell_give_no_badge(members, check):
    relogged(members, lambda number, line: line.pop("lr"))
    found = check(members)
    said = sentences(found, "unchecked")
    assert f"{FIRST}: learning rates were not checked: log.jsonl does not tell them" in said
    badges = {run.title: run.badge for run in found.runs}
    assert badges[FIRST] == "claimed"
    assert badges["bsoftmax on tiny-mlt seed 0"] == "recomputed"


@pytest.mark.parametrize("rate", [0.5, None, "fast"])
def test_one_rate_that_is_another(members, check, rate):
    relogged(members, lambda number, line: line.update(lr=rate if number else line["lr"]))
    assert "it trained with lr" in sentences(check(members))
