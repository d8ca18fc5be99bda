"""What a run says of learning on test and validation images is what its method does."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dishonest import sentences
from test_combined import of_ensemble
from test_method_names import planned

from ltbench.results.parse_record import parse_record
from ltbench.session.verification.finding import Findings, Subject
from ltbench.session.verification.learnt_on import check_learnt_on
from ltbench.session.verification.specification import read_asked


def said_of(method, result):
    spec = planned(method)
    record = replace(
        parse_record("run", spec, None, None), transductive=bool(result.get("before_test"))
    )
    findings = Findings()
    check_learnt_on(Subject(record, spec, result, read_asked(spec), True, True), findings)
    return [finding.text for finding in findings.listed()]


BEFORE = {"before_test": {"images": 9, "passes": 1}}
TRAINED = {"trained_on_validation": ["dfr"]}


@pytest.mark.parametrize(
    ("method", "result"),
    [("erm", {}), ("sade", BEFORE), ("erm+mlls", BEFORE), ("erm+dfr", TRAINED),
     ("sade[aggregate=false]", {}), ("sade[aggregate=false]+wise-ft", {}),
     ("erm+dfr+mlls", BEFORE | TRAINED)],
)  # fmt: skip
def test_what_methods_do_passes(method, result):
    assert not said_of(method, result)


@pytest.mark.parametrize(
    ("method", "result", "cause"),
    [
        ("sade", {}, "its method learns on the test images"),
        ("erm+mlls", {}, "its method learns on the test images"),
        ("erm", BEFORE, "its method does not learn on the test images"),
        ("erm+dfr", {}, "dfr trained on validation images"),
        ("erm+dfr", {"trained_on_validation": ["crt"]}, "dfr trained on validation images"),
        ("erm", TRAINED, "no part of it trained on validation images"),
    ],
)
def test_what_was_left_out_or_added(method, result, cause):
    (text,) = said_of(method, result)
    assert "of result.json does not fit" in text
    assert cause in text


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        ({"before_test": {"members": 1}}, "0 of its members learnt on the test images"),
        (TRAINED, "no part of it trained on validation images"),
    ],
)
def test_an_ensemble_says_what_its_members_say(members, check, more, cause):
    members.edit(of_ensemble(members), "result.json", lambda d: d.update(more))
    assert cause in sentences(check(members))
