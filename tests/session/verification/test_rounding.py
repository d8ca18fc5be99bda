"""What float16 leaves open of a ranking: an honest run is not accused of it, nor has its badge."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from combined_runs import CLASSES, write_ingredient

from ltbench.evaluation.averaged import answers
from ltbench.evaluation.probabilities import one_vs_rest
from ltbench.evaluation.tested import answer_arrays, results_of_test
from ltbench.plugins.shots import ShotRule
from ltbench.results.documents import read_data_facts
from ltbench.results.folder import write_arrays
from ltbench.results.index import read_runs
from ltbench.results.logits import kept_logits, read_logits, write_logits
from ltbench.results.untrusted import read_json, read_result
from ltbench.session.verification.finding import Findings, Subject
from ltbench.session.verification.metrics import check_metrics
from ltbench.session.verification.rounding import rounding_ends

PRESSED = 2e-4
"""The spread of logits at a distance of twelve, where float16 has steps of 1/128."""


@pytest.fixture(params=range(3))
def pressed(tmp_path, request):
    """A run whose network always takes the last class, and hardly tells the others apart."""
    folder = write_ingredient(tmp_path, per_class=30)
    facts, kept = read_data_facts(folder), read_logits(folder, "test")
    generator = np.random.default_rng(request.param)
    z = PRESSED * generator.normal(size=(len(kept), CLASSES)) - 12 * (np.arange(CLASSES) < 3)
    images = kept.classes, kept.domains, kept.images
    rounded = {"test": kept_logits(z, *images), "val": read_logits(folder, "val")}
    write_logits(folder / "logits.npz", rounded)
    e = np.exp(z - z.max(1, keepdims=True))
    p = answers(
        e / e.sum(1, keepdims=True), kept.classes, kept.domains, facts["shot_counts"],
        ShotRule.from_dict(facts["shots"]),
    )  # fmt: skip
    write_arrays(folder / "predictions.npz", answer_arrays(p))
    result = json.loads((folder / "result.json").read_text())
    result |= results_of_test(p, tuple(facts["domains"]), {})
    (folder / "result.json").write_text(json.dumps(result))
    return folder, p


def checked(folder, change=lambda result: None):
    (record,) = read_runs(folder.parents[3])
    spec, result = read_json(folder / "spec.json"), read_result(folder)
    change(result)
    findings = Findings()
    whole = check_metrics(Subject(record, spec, result, None, True, True), findings, {})
    return whole, {finding.kind: finding.text for finding in findings.listed()}


def test_a_ranking_lies_between_its_ends(pressed):
    folder, p = pressed
    logits = read_logits(folder, "test")
    rounded = replace(p, probabilities=logits.probabilities())
    best, worst = (one_vs_rest(q) for q in rounding_ends(logits, rounded))
    for name, value in one_vs_rest(p).items():
        assert worst[name] <= value <= best[name]
    assert best["macro_auroc"] - worst["macro_auroc"] > 0.2


def test_an_honest_run_whose_ranking_was_lost_is_not_accused(pressed):
    folder, _ = pressed
    whole, said = checked(folder)
    assert "wrong" not in said
    assert not whole
    assert "macro_auroc" in said["unchecked"]


def test_beyond_the_ends_it_is_wrong(pressed):
    folder, _ = pressed
    _, said = checked(folder, lambda result: result["test"].update(macro_auroc=1.2))
    assert "macro_auroc is 1.2" in said["wrong"]


def test_where_logits_are_apart_the_ends_are_near(tmp_path):
    folder = write_ingredient(tmp_path, per_class=30)
    facts, kept = read_data_facts(folder), read_logits(folder, "test")
    p = answers(kept.probabilities(), kept.classes, kept.domains, facts["shot_counts"],
                ShotRule.from_dict(facts["shots"]))  # fmt: skip
    best, worst = (one_vs_rest(q)["macro_auroc"] for q in rounding_ends(kept, p))
    assert 0 < best - worst < 5e-3
