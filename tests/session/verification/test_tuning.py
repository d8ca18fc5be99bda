"""What a run says of its tuning: it gives no other protocol than the one before the search."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dishonest import sentences
from test_verify import ERM, place, resubmit

from ltbench.results.tuned import before_tuning, not_searched

TUNED = {"search": "random", "trials": 1, "seed": 0, "metric": "f1"}


def tuned_to(members, **tuned):
    """Say of a run that its protocol was found by a search, and return its specification."""
    at = resubmit(members, place(members, ERM, 0), lambda d: d["identity"].update(tuned=tuned))
    return json.loads(members[members.find(at, "spec.json")])


def test_of_searched_settings_alone_a_protocol_has_values_of_before():
    tuned = {"axes": ["hparams", "lr", "steps"], "from": {"lr": 0.1, "steps": 3, "hparams": 1}}
    assert before_tuning(tuned) == {"lr": 0.1}
    assert before_tuning({"from": {"lr": 0.1}}) == {}
    assert before_tuning({"axes": 7, "from": {"lr": 0.1}}) == {}
    assert not_searched(tuned) == ["steps", "hparams"]
    assert not_searched({"axes": ["hparams", "lr"], "from": {"lr": 0.1}}) == []


@pytest.mark.parametrize("more", [{}, {"axes": ["hparams", "steps"]}, {"axes": ["hparams", "lr"]}])
def test_a_longer_training_that_gives_itself_for_a_tuned_one(members, check, more):
    own = json.loads(members[members.find(place(members, ERM, 1), "spec.json")])
    spec = tuned_to(members, **TUNED, **more, **{"from": {"steps": 6}})
    assert spec["protocol_hash"] == own["protocol_hash"]  # and not that of six steps
    assert "what its axes do not have or no search varies: steps" in sentences(check(members))


def test_a_search_from_other_settings_than_the_protocols_is_told(members, check):
    tuned_to(members, **TUNED, axes=["hparams", "lr"], **{"from": {"lr": 0.25}})
    found = check(members)
    assert "no search varies" not in sentences(found)
    said = sentences(found, "note")
    (line,) = (text for text in said.splitlines() if "lr 0.25 for 0.001" in text)
    assert "erm (tuned: 1 trials of hparams+lr; lr=0.001) on tiny-mlt seed 0" in line
