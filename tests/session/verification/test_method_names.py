"""The name of a method, which no hash holds: honest ones pass, and a run has no other's."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dishonest import sentences, wrong

from ltbench.results.parse_record import parse_record
from ltbench.session.plan import Request, plan_runs
from ltbench.session.verification.finding import Findings, Subject
from ltbench.session.verification.method import check_method
from ltbench.session.verification.registry import Registry
from ltbench.session.verification.specification import read_asked

MINE = 'like = "digits-mini"\nlr = 0.02\n\n[methods.bcl]\ntemperature = 0.2\n'
CIFAR = {"backbone": "digits-cnn", "protocol": "cifar-lt"}


def planned(method: str, **more: Any) -> dict[str, Any]:
    """Return the content of the ``spec.json`` of a run."""
    request = Request([method], ["digits-mini-mlt"], [0], "fp32", Path(), **more)
    return plan_runs(request).specs[0].as_dict()


def said_of(spec: dict[str, Any]) -> list[str]:
    run = Subject(parse_record("run", spec, None, None), spec, {}, read_asked(spec), True, True)
    findings = Findings()
    assert run.asked is not None
    check_method(run, Registry(Path()).find(run.asked), findings)
    return [finding.text for finding in findings.listed()]


@pytest.mark.parametrize(
    "method",
    [
        "erm",
        "boda[weight=0.5,nu=1.0]@ema[decay=0.9]+crt",
        "coral[loss=ldam[s=10]]",
        "ldam[start=0.0]",
        "mislas",
        "input-mixup[alpha=0.2]",
    ],
)
@pytest.mark.parametrize("setting", [{}, CIFAR, {"overrides": {"steps": 100}}])
def test_every_run_is_called_as_it_was_planned(method, setting):
    assert not said_of(planned(method, **setting))


def test_what_a_file_of_ones_own_sets_of_methods_stands_in_their_names(tmp_path):
    (tmp_path / "mine.toml").write_text(MINE)
    spec = planned("bcl", protocol=str(tmp_path / "mine.toml"))
    assert spec["method"] == "bcl[temperature=0.2]"
    assert not said_of(spec)
    spec["method"] = "bcl"
    assert said_of(spec)


def test_a_run_of_before_there_was_a_hyper_parameter_has_no_word_of_it():
    spec = planned("ldam[start=0]")
    assert "start" not in spec["identity"]["algorithm"]["hparams"]
    spec["method"] = "ldam"
    assert not said_of(spec)


@pytest.mark.parametrize(
    ("method", "claimed"),
    [
        ("erm", "boda"),
        ("erm", "erm+crt"),
        ("erm+crt", "erm"),
        ("erm", "erm@ema"),
        ("erm", "erm (ours)"),
        ("boda[weight=0.5]", "boda"),
        ("boda[weight=0.5]", "boda[weight=0.4]"),
        ("boda", "boda[weight=0.5]"),
        ("erm@ema[decay=0.9]", "erm@ema"),
        ("ldam[start=0]", "ldam[start=1.0]"),
    ],
)
def test_another_methods_name(method, claimed):
    spec = {**planned(method), "method": claimed}
    (text,) = said_of(spec)
    assert f"its method is called {claimed}, and its identity is of another" in text


def test_another_name_by_what_the_protocol_sets():
    spec = planned("input-mixup[alpha=0.2]", **CIFAR)
    (text,) = said_of({**spec, "method": "input-mixup"})
    assert "as it would be planned here it is input-mixup[alpha=0.2]" in text


def test_a_name_of_what_is_not_installed_is_held_against_the_names_in_the_identity():
    spec = planned("erm")
    spec["identity"]["algorithm"] = {"name": "theirs", "hparams": {"a": 1}}
    assert not said_of({**spec, "method": "theirs[a=1]"})
    assert said_of({**spec, "method": "theirs[a=2]"})
    assert said_of({**spec, "method": "erm"})


@pytest.mark.parametrize(
    "name",
    ["boda (ensemble of 2)", "erm (ensemble of 3)", "erm (uniform soup of 2)", "erm"],
)
def test_an_ensemble_of_another_name(members, check, name):
    specs = (m for m in members if m.endswith("spec.json"))
    at = next(m for m in specs if "combined" in json.loads(members[m])["identity"])
    document = json.loads(members[at])
    assert document["method"] == "erm (ensemble of 2)"
    members[at] = json.dumps({**document, "method": name}).encode()
    said = sentences(check(members))
    assert f"its method is called {name}, and" in said


def test_another_title_of_the_data(members, check):
    at = next(m for m in members if "/bsoftmax/" in m and m.endswith("spec.json"))
    members.edit(at.removesuffix("/spec.json"), "spec.json",
                 lambda d: d["data"].update(title="DomainNet", held_out=1))  # fmt: skip
    found = check(members)
    assert "spec.json says other title, held_out than tiny-mlt has here" in sentences(found)
    assert len(wrong(found)) == 1
