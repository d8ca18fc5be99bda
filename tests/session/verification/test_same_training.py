"""Which methods may come to one model at one seed, and which may not."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from test_copies import like, subject

from ltbench.api import Modifier
from ltbench.session.plan import Request, plan_runs
from ltbench.session.verification.copies import check_copies
from ltbench.session.verification.finding import Findings
from ltbench.session.verification.same_training import why_alike
from ltbench.session.verification.verify import verify

BOARDS = Path(__file__).parents[3] / "leaderboards"
STEPS = 60


def planned(tmp_path, algo, seed=0, **settings):
    options = {"steps": STEPS, **settings}
    (spec,) = plan_runs(Request([algo], ["tiny-mlt"], [seed], "fp32", tmp_path, options)).specs
    return spec


@pytest.fixture
def pair(runs, tmp_path):
    """Return two runs with the same files, of two methods; and the step that was chosen."""

    def pair(algo, other, chosen=STEPS, seeds=(0, 0)):
        files = subject(runs, "erm", 0)
        result = {**files.result, "selection": {"step": chosen}}
        found = []
        for name, seed in zip((algo, other), seeds, strict=True):
            asked = planned(tmp_path, name, seed)
            stages = tuple(stage.title for stage in asked.stages)
            record = replace(files.record, hash=asked.hash, seed=seed, stages=stages)
            found.append(
                replace(files, record=record, spec=asked.as_dict(), result=result, asked=asked)
            )
        return found

    return pair


@pytest.mark.parametrize(
    ("algo", "other", "chosen", "why"),
    [
        ("fishr", "erm", STEPS, "anneal=1500 is a step that the training, of 60, does not come to"),
        ("fishr[loss=bsoftmax]", "bsoftmax", STEPS, "anneal=1500"),
        ("fishr+crt", "erm+crt", STEPS, "anneal=1500"),
        ("fishr@sam", "erm@sam", STEPS, "anneal=1500"),
        ("irm[anneal=50]", "erm", 50, "anneal=50 is no step before the chosen one, 50"),
        ("erm@swad", "erm", STEPS, "@swad may not have begun to average before the step that was"),
        ("bsoftmax@sam@swa", "bsoftmax@sam", STEPS, "@swa may not have begun"),
        ("erm@swad+crt", "erm+crt", STEPS, "@swad may not have begun"),
    ],
)
def test_what_begins_after_the_tested_weights_is_said(pair, algo, other, chosen, why):
    one, two = pair(algo, other, chosen)
    assert why in why_alike(one, two)
    assert not why_alike(two, one)
    found = Findings()
    check_copies([two, one], found)
    (finding,) = found.listed()
    assert finding.kind == "note"
    assert why in finding.text
    assert "one of the two says nothing of its own" in finding.text


@pytest.mark.parametrize(
    ("algo", "other", "chosen"),
    [
        ("irm[anneal=50]", "erm", 51),  # a step with the penalty was taken
        ("irm[anneal=50]+crt", "erm+crt", 10),  # the stage has steps of its own
        ("fishr", "bsoftmax", STEPS),
        ("fishr[loss=focal]", "erm", STEPS),
        ("fishr[loss=focal]", "focal[gamma=3]", STEPS),
        ("fishr@sam", "erm", STEPS),
        ("fishr+crt", "erm", STEPS),
        ("coral", "erm", STEPS),
        ("erm@ema", "erm", STEPS),  # an average from the first step on
        ("erm@lookahead", "erm", STEPS),
        ("erm@sam", "erm", STEPS),
        ("erm@sam@swad", "erm", STEPS),
        ("bsoftmax@swad", "erm", STEPS),
        ("focal[gamma=3]@swad", "focal", STEPS),
    ],
)
def test_a_copy_is_wrong_whose_method_says_of_no_reason(pair, algo, other, chosen):
    runs = pair(algo, other, chosen)
    assert not why_alike(*runs)
    found = Findings()
    check_copies(runs, found)
    assert [one.kind for one in found.listed()] == ["wrong"]


def test_another_seed_or_protocol_is_no_reason(pair, tmp_path):
    assert not why_alike(*pair("erm@swad", "erm", seeds=(0, 1)))
    one, two = pair("erm@swad", "erm")
    assert not why_alike(one, replace(two, asked=planned(tmp_path, "erm", lr=0.1)))


@pytest.mark.parametrize("missing", ["asked", "selection"])
def test_what_a_run_does_not_say_is_no_reason(pair, missing):
    one, two = pair("irm[anneal=50]", "erm", 50)
    one = replace(one, asked=None) if missing == "asked" else replace(one, result={})
    assert not why_alike(one, two)


def test_two_that_are_both_like_a_third_are_not_held_against_each_other(pair):
    one, erm = pair("fishr", "erm")
    other, _ = pair("erm@swad", "erm")
    found = Findings()
    check_copies([erm, one, other], found)
    assert [finding.kind for finding in found.listed()] == ["note", "note"]


@pytest.mark.parametrize(
    ("algo", "other", "kind"),
    [("fishr", "erm@swad", "note"), ("fishr", "bsoftmax@swad", "wrong"), ("fishr", "irm", "note")],
)
def test_two_that_may_both_be_a_third_which_is_not_there(pair, algo, other, kind):
    found = Findings()
    check_copies(pair(algo, other), found)
    assert [finding.kind for finding in found.listed()] == [kind]


def test_methods_without_a_specification_are_wrong(runs):
    found = Findings()
    check_copies([subject(runs, "erm", 0), like(runs, "bsoftmax", 0, "erm")], found)
    assert [one.kind for one in found.listed()] == ["wrong"]


def test_modifiers_without_weights_of_their_own_never_wait():
    assert "None" in str(Modifier.weights.__annotations__["return"])


@pytest.mark.parametrize("board", sorted(BOARDS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_nothing_is_wrong_with_the_boards_of_this_project(board, data_dir):
    assert not [one for one in verify(board, data_dir).findings if one.kind == "wrong"]
