"""Honest runs of every kind pass: stages, what learns on test images, unseen domains, soups."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from combined_runs import train, write_ingredient, write_weights
from dishonest import sentences

from ltbench.cli.soup import soup
from ltbench.evaluation.averaged import answers
from ltbench.evaluation.compute import compute_metrics
from ltbench.evaluation.tested import answer_arrays, results_of_test
from ltbench.plugins.shots import ShotRule
from ltbench.results.documents import read_data_facts
from ltbench.results.folder import write_arrays
from ltbench.results.index import read_runs
from ltbench.results.logits import read_logits
from ltbench.results.untrusted import read_json, read_result
from ltbench.session.submit import submit
from ltbench.session.verification.answers import check_answers
from ltbench.session.verification.finding import Findings, Subject
from ltbench.session.verification.metrics import check_metrics
from ltbench.session.verification.verify import verify

STEPS = {"steps": 6, "eval_every": 3}


def verified(root: Path, tmp_path: Path, data_dir: Path):
    submit(read_runs(root), tmp_path / "s.zip")
    return verify(tmp_path / "s.zip", data_dir)


def test_stages_and_learning_on_test_images(tmp_path, data_dir):
    root = tmp_path / "runs"
    for algo in ("erm", "erm+posthoc-la", "erm+mlls", "erm+wise-ft[alpha=1]", "eqrm"):
        train(root, data_dir, algo=algo, seeds=(0,), settings=STEPS)
    found = verified(root, tmp_path, data_dir)
    assert not found.wrong, sentences(found)
    assert {run.badge for run in found.runs} == {"recomputed"}
    assert "'wise-ft' is made from the other and may leave its model as it was" in sentences(
        found, "note"
    )
    assert "validation scores were not recomputed" in sentences(found, "unchecked")


def test_unseen_domains_and_the_last_model(tmp_path, data_dir):
    root = tmp_path / "runs"
    last = {**STEPS, "select": "last"}
    train(root, data_dir, dataset="tiny-mlt[unseen=dark]", seeds=(0,), settings=last)
    found = verified(root, tmp_path, data_dir)
    assert not found.wrong, sentences(found)
    assert [run.badge for run in found.runs] == ["recomputed"]


def test_a_soup_whose_weights_nobody_can_see(tmp_path, data_dir):
    root, weights = tmp_path / "runs", write_weights(tmp_path / "w.pt")
    train(root, data_dir, seeds=(0, 1), weights=weights, settings=STEPS)
    ran = CliRunner().invoke(soup, [str(root), "--data-dir", str(data_dir)])
    assert ran.exit_code == 0, ran.output
    found = verified(root, tmp_path, data_dir)
    assert not found.wrong, sentences(found)
    assert any(run.record.combined for run in found.runs)
    assert "no weights are handed in" in sentences(found, "unchecked")


@pytest.fixture
def many(tmp_path) -> Subject:
    """A run of more classes than are kept, whose answers are those of its logits."""
    folder = write_ingredient(tmp_path, classes=1001, per_class=1, domains=["all"])
    facts, logits = read_data_facts(folder), read_logits(folder, "test")
    shots = ShotRule.from_dict(facts["shots"])
    p, val = (
        answers(one.probabilities(), one.classes, one.domains, facts["shot_counts"], shots)
        for one in (logits, read_logits(folder, "val"))
    )
    write_arrays(folder / "predictions.npz", answer_arrays(p))
    result = json.loads((folder / "result.json").read_text())
    result |= {**results_of_test(p, tuple(facts["domains"]), {})}
    result["val"] = compute_metrics(val, chosen=False)
    result["selection"]["value"] = result["val"]["macro_f1_average"]
    (folder / "result.json").write_text(json.dumps(result))
    (record,) = read_runs(tmp_path)
    spec, told = read_json(folder / "spec.json"), read_result(folder)
    assert spec is not None
    assert told is not None
    return Subject(record, spec, told, None, True, True)


def test_more_classes_than_logits_are_kept_of(many):
    findings = Findings()
    assert check_answers(many, findings)
    assert check_metrics(many, findings, {})
    (finding,) = findings.listed()
    assert finding.kind == "unchecked"
    assert "brier_score" in finding.text
    assert "accuracy" not in finding.text.replace("top5_accuracy", "")
    raised = replace(many, result=json.loads(json.dumps(many.result)))
    raised.result["test"]["accuracy"] += 1e-4
    assert not check_metrics(raised, findings, {})
    with np.load(many.folder / "predictions.npz") as archive:
        arrays = dict(archive)
    arrays["prediction"][:3] = (arrays["prediction"][:3] + 1) % 1001
    np.savez_compressed(many.folder / "predictions.npz", **arrays)
    assert not check_answers(many, Findings())


def test_fewer_logits_than_are_kept_of_many_classes(many):
    with np.load(many.folder / "logits.npz") as archive:
        arrays = dict(archive)
    for name in ("test_logits", "test_top", "val_logits", "val_top"):
        arrays[name] = arrays[name][:, :9]
    np.savez_compressed(many.folder / "logits.npz", **arrays)
    findings = Findings()
    assert not check_answers(many, findings)
    assert "holds 9 logits of each image, and runs keep 50" in findings.listed()[0].text
