"""A run that is trained again: the same to the last bit here, within the spread elsewhere."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).parent))

from dishonest import sentences

from ltbench.errors import UsageError
from ltbench.session.verification import rerun as module
from ltbench.session.verification.rerun import Again, spread
from ltbench.session.verification.verify import verify


@pytest.fixture
def again(data_dir):
    return lambda count=1, seed=None: Again(count, seed, "auto", data_dir)


def test_an_honest_run_gives_the_same_bits(archive, data_dir, again):
    found = verify(archive, data_dir, again(2, 1))
    assert not found.wrong, sentences(found)
    assert "trained again, it gives the same answers to the last bit" in sentences(found, "note")
    assert {run.title for run in found.runs if run.badge == "re-run"} == {
        "erm on tiny-mlt seed 1", "bsoftmax on tiny-mlt seed 1"
    }  # fmt: skip


def test_a_seed_under_another_number_alone_is_found(members, check, again):
    """Nothing in the files tells: the seed that it was is not handed in."""
    for member in [m for m in members if "/bsoftmax/" not in m or "/seed-1/" in m]:
        del members[member]
    for member in list(members):
        content = members.pop(member)
        if member.endswith(("spec.json", "result.json")):
            content = json.dumps({**json.loads(content), "seed": 9}).encode()
        members[member.replace("/seed-0/", "/seed-9/")] = content
    assert not check(members).wrong
    found = check(members, again=again())
    assert "on the same kind of machine, by the same code, it gives other answers" in sentences(
        found
    )
    (run,) = found.runs
    assert (run.badge, run.wrong) == ("claimed", True)


def test_on_another_machine_the_spread_of_seeds_decides(members, check, again, monkeypatch):
    for member in members:
        if member.endswith("/result.json"):
            result = json.loads(members[member])
            result["environment"]["device"] = "cpu (another processor)"
            members[member] = json.dumps(result).encode()
    monkeypatch.setattr(module, "_same_answers", lambda one, other: False)
    monkeypatch.setattr(module, "spread", lambda values: 1.0)
    found = check(members, again=again(1, 1))
    assert not found.wrong, sentences(found)
    assert "within what seeds of this method differ by" in sentences(found, "note")
    assert "re-run" in {run.badge for run in found.runs}
    monkeypatch.setattr(module, "spread", lambda values: -1.0)
    assert "further apart than seeds of this method are" in sentences(
        check(members, again=again(1, 1))
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda result: result["test"].pop("macro_f1_average"),  # nothing to take a deviation of
        lambda result: result["test"].update(macro_f1_average=-9.0),  # a deviation as one likes
    ],
)
def test_a_seed_without_or_with_an_invented_score_is_no_spread(
    members, check, again, monkeypatch, change
):
    for member in members:
        if member.endswith("/result.json"):
            result = json.loads(members[member])
            result["environment"]["device"] = "cpu (another processor)"
            if "/seed-0/" in member:
                change(result)
            members[member] = json.dumps(result).encode()
    monkeypatch.setattr(module, "_same_answers", lambda one, other: False)
    found = check(members, again=again(1, 1))
    assert "there is no spread to judge by" in sentences(found, "unchecked")
    assert "re-run" not in {run.badge for run in found.runs}


def test_more_than_there_are(archive, data_dir, again):
    with pytest.raises(UsageError, match="2 runs of seed 1 can be trained here, and 3 were asked"):
        verify(archive, data_dir, again(3, 1))


def test_the_spread_holds_nineteen_differences_of_twenty():
    generator = np.random.default_rng(0)
    draws = generator.normal(size=(4000, 7))
    seen = [abs(a - b) <= spread(rest) for a, b, *rest in draws]
    assert np.mean(seen) == pytest.approx(0.95, abs=0.012)
    assert spread([0.0, 1.0]) == pytest.approx(
        stats.t.ppf(0.975, 1) * math.sqrt(0.5) * math.sqrt(2)
    )
