"""Metrics that runs did not write down follow from the answers that they kept, or it is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from synthetic_runs import write_run

from ltbench.cli.figures import figures
from ltbench.cli.leaderboard import leaderboard
from ltbench.errors import DataError, UsageError
from ltbench.evaluation.compute import compute_metrics
from ltbench.plugins.predictions import Predictions
from ltbench.report.stored_metrics import metrics_of_stored, read_answers, with_stored_metrics
from ltbench.results.documents import read_data_facts, read_predictions
from ltbench.results.index import read_runs
from ltbench.results.logits import kept_logits, write_logits


def write_old(root: Path, **how: object) -> Path:
    """Write a run of a version that kept no logits."""
    folder = write_run(root, **how)
    (folder / "logits.npz").unlink(missing_ok=True)
    return folder


def write_probabilities(folder: Path, classes: int = 10) -> np.ndarray:
    """Give a synthetic run logits that fit its predictions, and return their softmax."""
    arrays = np.load(folder / "predictions.npz")
    logits = np.random.default_rng(0).normal(size=(len(arrays["class"]), classes))
    logits[np.arange(len(logits)), arrays["prediction"]] += 6
    found = kept_logits(
        logits.astype(np.float32), arrays["class"], arrays["domain"],
        np.arange(len(logits)).astype(str),
    )  # fmt: skip
    write_logits(folder / "logits.npz", {"test": found, "val": found})
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def call(command, *words: object, code: int = 0):
    found = CliRunner().invoke(command, list(map(str, words)))
    if code == 0:
        assert found.exit_code == 0, found.output + repr(found.exception)
    return found


def test_recalls_follow_from_predictions_alone(tmp_path):
    folder = write_old(tmp_path)
    arrays = read_predictions(folder)
    found = metrics_of_stored(folder)
    written = json.loads((folder / "result.json").read_text())["test"]
    expected = balanced_accuracy_score(arrays["class"], arrays["prediction"])
    assert found["balanced_accuracy"] == pytest.approx(expected)
    for name in ("accuracy_average", "accuracy_worst", "macro_f1_average", "accuracy_few"):
        assert found[name] == pytest.approx(written[name])
    assert found["macro_auroc"] is found["brier_score"] is found["top5_accuracy"] is None


def test_probabilities_follow_from_logits(tmp_path):
    folder = write_old(tmp_path)
    softmax = write_probabilities(folder)
    y = read_predictions(folder)["class"]
    found = metrics_of_stored(folder, ["macro_auroc", "brier_score"])
    expected = np.mean([roc_auc_score(y == c, softmax[:, c]) for c in range(10)])
    assert found.keys() == {"macro_auroc", "brier_score"}
    assert found["macro_auroc"] == pytest.approx(expected, abs=1e-3)
    hot = np.eye(10)[y]
    assert found["brier_score"] == pytest.approx(((softmax - hot) ** 2).sum(1).mean(), abs=1e-3)


def test_logits_alone_give_everything(tmp_path):
    folder = write_old(tmp_path)
    softmax = write_probabilities(folder)
    arrays, facts = read_predictions(folder), read_data_facts(folder)
    (folder / "predictions.npz").unlink()
    y = arrays["class"]
    answers = Predictions(
        y, arrays["domain"], softmax.argmax(1), softmax.max(1),
        -np.log(softmax[np.arange(len(y)), y]), facts["counts"]["train"], **facts["shots"],
        probabilities=softmax,
    )  # fmt: skip
    found = metrics_of_stored(folder)
    for name, value in compute_metrics(answers).items():
        assert found[name] == (None if value is None else pytest.approx(value, abs=5e-3))


def test_what_does_not_fit_is_refused_in_one_sentence(tmp_path):
    folder = write_old(tmp_path)
    write_probabilities(folder, classes=12)
    stored = read_answers(folder)
    assert stored.predictions.probabilities is None
    assert "holds other images or classes" in stored.without
    spec = json.loads((folder / "spec.json").read_text())
    spec["data"]["classes"] = spec["data"]["classes"][:5]
    for table in spec["data"]["counts"].values():
        table[:] = [row[:5] for row in table]
    (folder / "spec.json").write_text(json.dumps(spec))
    with pytest.raises(DataError, match="its answers are none of 5 classes in 3 domains"):
        metrics_of_stored(folder)
    (folder / "predictions.npz").unlink()
    (folder / "logits.npz").unlink()
    with pytest.raises(DataError, match=r"predictions\.npz is missing"):
        metrics_of_stored(folder)


def test_a_board_of_old_runs_has_the_metric(tmp_path):
    folders = [write_old(tmp_path, algo=a, seed=s) for a in ("erm", "boda") for s in (0, 1)]
    found = call(leaderboard, tmp_path, "--metrics", "balanced_accuracy,f1_few", "--format", "csv")
    assert found.stderr.count("Note") == 0
    values = [metrics_of_stored(f, ["balanced_accuracy"])["balanced_accuracy"] for f in folders]
    lines = [line.split(",") for line in found.stdout.splitlines()]
    column = lines[0].index("balanced_accuracy_mean")
    means = {line[lines[0].index("method")]: float(line[column]) for line in lines[1:]}
    assert means["erm"] == pytest.approx(np.mean(values[:2]))
    assert means["boda"] == pytest.approx(np.mean(values[2:]))
    table = call(leaderboard, tmp_path, "--metrics", "balanced_accuracy").stdout
    assert "balanced acc" in table


def test_runs_that_cannot_have_it_are_named(tmp_path):
    old, new = (write_old(tmp_path, algo=algo) for algo in ("erm", "boda"))
    refused = call(leaderboard, tmp_path, "--metrics", "macro_auroc", code=2)
    assert isinstance(refused.exception, UsageError)
    said = f"No run here has the metric 'macro_auroc', and it cannot be computed: {new} keeps no"
    assert str(refused.exception).startswith(said)
    write_probabilities(new)
    found = call(leaderboard, tmp_path, "--metrics", "macro_auroc")
    assert f"Note: 1 run lacks 'macro_auroc'; of {old}: {old} keeps no logits" in found.stderr
    assert "run it again to have them." in found.stderr
    both = call(leaderboard, tmp_path, "--metrics", "macro_auroc", "--algo", "boda")
    assert "Note" not in both.stderr  # of runs that are not asked for nothing is said


@pytest.mark.parametrize("name", ["balanced_acuracy", "accuracy_wrost", "nonsense"])
def test_a_name_that_is_none_is_refused(tmp_path, name):
    write_old(tmp_path)
    refused = call(leaderboard, tmp_path, "--metrics", name, code=2)
    assert str(refused.exception).startswith(f"No run here has the metric '{name}'")
    if name == "balanced_acuracy":
        assert "did you mean 'balanced_accuracy'" in str(refused.exception)


def test_names_are_found_whatever_their_case(tmp_path):
    write_old(tmp_path)
    assert "balanced acc" in call(leaderboard, tmp_path, "--metrics", "Balanced_Accuracy").stdout


def test_a_value_that_nothing_gives_is_missing_and_no_lack(tmp_path):
    write_old(tmp_path, domains=["one"])  # a domain whose pairs all have training images
    records = read_runs(tmp_path)
    records = [
        replace(r, test={k: v for k, v in r.test.items() if "zero" not in k}) for r in records
    ]
    completed, lacking = with_stored_metrics(records, ["accuracy_zero", "f1_zero"])
    assert not lacking
    assert "accuracy_zero" not in completed[0].test


def test_what_is_written_down_is_never_computed_anew(tmp_path):
    folder = write_old(tmp_path)
    (record,) = read_runs(tmp_path)
    record = replace(record, test={**record.test, "balanced_accuracy": 0.125})
    (completed,), _ = with_stored_metrics([record], ["balanced_accuracy", "gmean"])
    assert completed.test["balanced_accuracy"] == 0.125
    assert completed.test["gmean"] == metrics_of_stored(folder)["gmean"]
    assert completed.metrics["gmean"]["head"] == "G-mean"


def test_figures_find_it_too(tmp_path):
    for d in range(3):
        for algo in ("erm", "boda"):
            write_old(tmp_path, algo=algo, dataset=f"data-{d}")
    out = tmp_path / "ranks.svg"
    call(figures, "cd", tmp_path, "--metric", "balanced_accuracy_worst", "-o", out)
    assert out.is_file()
