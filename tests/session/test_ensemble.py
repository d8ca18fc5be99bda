"""Ensembles: the mean of probabilities, written as a run of its own."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.special import softmax

sys.path.insert(0, str(Path(__file__).parent))

from combined_runs import CLASSES, train, write_ingredient

from ltbench.cli.ensemble import ensemble
from ltbench.errors import LtbenchError
from ltbench.evaluation.averaged import mean_probabilities
from ltbench.results.combined import appearing
from ltbench.results.documents import read_predictions
from ltbench.results.index import read_runs
from ltbench.results.logits import kept_logits, read_logits, write_logits
from ltbench.session.ensemble import make_ensemble, same_method
from ltbench.session.ingredients import make_groups, read_ingredient


def call(*words: object) -> dict:
    result = CliRunner().invoke(ensemble, [*map(str, words), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*words: object) -> str:
    with pytest.raises(LtbenchError) as error:
        CliRunner().invoke(ensemble, list(map(str, words)), catch_exceptions=False)
    assert error.value.exit_code == 2
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    root = tmp_path / "runs"
    for algo in ("erm", "bsoftmax"):
        for seed in range(3):
            write_ingredient(root, algo=algo, seed=seed)
    return root


def test_probabilities_are_the_mean_over_the_seeds(runs):
    (made,) = call(runs, "--algo", "erm")["made"]
    assert made["label"] == "erm (ensemble of 3)"
    folder = Path(made["folder"])
    expected = 0
    for member in sorted(runs.glob("*/erm/*/seed-*")):
        if member.parent != folder.parent:
            with np.load(member / "logits.npz") as arrays:
                expected = expected + softmax(arrays["test_logits"].astype(float), axis=1) / 3
                y = arrays["test_class"]
    kept = read_logits(folder, "test")
    assert np.allclose(kept.probabilities(), expected, atol=2e-3), "float16 rounds logits"
    answers = read_predictions(folder)
    assert np.array_equal(answers["prediction"], expected.argmax(1))
    assert np.allclose(answers["confidence"], expected.max(1), atol=1e-6)
    assert np.allclose(answers["loss"], -np.log(expected[np.arange(len(y)), y]), atol=1e-5)
    result = json.loads((folder / "result.json").read_text())
    assert result["test"]["accuracy"] == pytest.approx((expected.argmax(1) == y).mean())
    assert result["test"]["loss"] == pytest.approx(-np.log(expected[np.arange(len(y)), y]).mean())
    assert set(result["domains"]) == set(result["confusion"]), "tested per domain as any run"
    assert result["val"]["macro_f1_average"] == result["selection"]["value"]


def test_it_says_of_what_it_is_made_and_what_it_cost(runs):
    (made,) = call(runs, "--algo", "erm")["made"]
    result = json.loads((Path(made["folder"]) / "result.json").read_text())
    members = [run for run in read_runs(runs) if run.algorithm == "erm" and not run.combined]
    assert result["combined"]["networks"] == 3
    assert result["combined"]["train_s"] == pytest.approx(3 * 40.1)
    assert {(m["hash"], m["seed"]) for m in result["combined"]["members"]} == {
        (run.hash, run.seed) for run in members
    }
    assert result["parameters"] == 3 * 373642
    spec = json.loads((Path(made["folder"]) / "spec.json").read_text())
    assert spec["protocol_hash"] == members[0].protocol_hash
    digests = {member["content"] for member in spec["identity"]["combined"]["members"]}
    assert len(digests) == 3
    record = next(run for run in read_runs(runs) if run.combined)
    assert (record.status, record.label) == ("done", "erm (ensemble of 3)")


def test_each_method_has_one_and_across_makes_one_of_all(runs):
    labels = [one["label"] for one in call(runs)["made"]]
    assert sorted(labels) == ["bsoftmax (ensemble of 3)", "erm (ensemble of 3)"]
    (made,) = call(runs, "--across")["made"]
    assert made["label"].endswith("(ensemble of 6)"), "what was made before is no ingredient"
    assert Path(made["folder"]).parts[-3] == "ensemble"
    (two,) = call(runs, "--across", "--seeds", "0,")["made"]
    assert two["label"] in ("erm & bsoftmax (ensemble of 2)", "bsoftmax & erm (ensemble of 2)")


def test_runs_named_one_by_one_make_one(runs):
    folders = [next(runs.glob(f"*/{algo}/*/seed-1")) for algo in ("erm", "bsoftmax")]
    (made,) = call(*folders)["made"]
    assert len(made["combined"]["members"]) == 2


def test_what_is_there_is_not_made_again_and_other_members_make_another(runs):
    first, again = (call(runs, "--algo", "erm")["made"][0] for _ in range(2))
    assert (first["new"], again["new"]) == (True, False)
    assert first["folder"] == again["folder"]
    write_ingredient(runs, seed=3)
    (larger,) = call(runs, "--algo", "erm")["made"]
    assert larger["new"]
    assert larger["label"] == "erm (ensemble of 4)"
    member = next(p for p in runs.glob("*/erm/*/seed-3")).parent / "seed-0"
    with np.load(member / "logits.npz") as arrays:
        changed = dict(arrays)
    changed["test_logits"][0, :2] = changed["test_logits"][0, 1::-1]
    np.savez(member / "logits.npz", **changed)
    (other,) = call(runs, "--algo", "erm")["made"]
    assert other["new"], "a member was trained anew"
    assert other["folder"] != larger["folder"]


def test_another_folder_takes_what_is_made(runs, tmp_path):
    (made,) = call(runs, "--algo", "erm", "--out", tmp_path / "out")["made"]
    assert Path(made["folder"]).is_relative_to(tmp_path / "out")
    assert len(read_runs(tmp_path / "out")) == 1


def test_runs_of_several_folders_need_to_be_told_where_to(tmp_path):
    write_ingredient(tmp_path / "a", seed=0)
    write_ingredient(tmp_path / "b", seed=1)
    message = refused(tmp_path / "a", tmp_path / "b")
    assert "--out names the folder" in message
    (made,) = call(tmp_path / "a", tmp_path / "b", "--out", tmp_path / "a")["made"]
    assert made["label"] == "erm (ensemble of 2)"


def test_without_validation_images_there_is_no_validation_score(tmp_path):
    for seed in range(2):
        folder = write_ingredient(tmp_path, seed=seed)
        test = read_logits(folder, "test")
        none = kept_logits(np.zeros((0, CLASSES)), np.zeros(0, int), np.zeros(0, int),
                           np.zeros(0, "U3"))  # fmt: skip
        write_logits(folder / "logits.npz", {"test": test, "val": none})
    (made,) = call(tmp_path)["made"]
    result = json.loads((Path(made["folder"]) / "result.json").read_text())
    assert result["val"] == {}
    assert "selection" not in result
    assert len(read_logits(Path(made["folder"]), "val")) == 0


def test_of_many_classes_the_rest_is_spread(tmp_path):
    for seed in range(2):
        folder = write_ingredient(tmp_path, seed=seed, classes=1001, per_class=1, domains=["all"])
    assert read_logits(folder, "test").top is not None
    (made,) = call(tmp_path)["made"]
    kept = read_logits(Path(made["folder"]), "test")
    assert kept.width == 1001
    assert np.allclose(kept.probabilities().sum(1), 1, atol=1e-3)


def test_different_test_sets_are_refused(tmp_path):
    root = tmp_path / "runs"
    one = write_ingredient(root, seed=0)
    other = write_ingredient(root, seed=0, dataset="pacs-mlt")
    for words in ((one, other), (root, "--across")):
        message = refused(*words)
        assert "erm on digits-mini-mlt seed 0 and erm on pacs-mlt seed 0" in message
        assert "differ in data set" in message
    images = write_ingredient(root, seed=1, images="another")
    assert "were tested on different images (test)" in refused(one, images)
    classes = write_ingredient(root, seed=2, classes=CLASSES + 1)
    assert "differ in classes" in refused(one, classes)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "logits.npz").unlink(), "keeps no logits"),
        (lambda folder: (folder / "logits.npz").write_bytes(b"PK\3\4"), "not an archive"),
        (lambda folder: (folder / "result.json").unlink(), "only run that is chosen and done"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path, spoil, message):
    write_ingredient(tmp_path, seed=0)
    spoil(write_ingredient(tmp_path, seed=1))
    assert message in refused(tmp_path)
    assert len(list(tmp_path.glob("*/erm/*"))) == 1, "nothing is left"


def test_one_run_is_no_ensemble(tmp_path):
    folder = write_ingredient(tmp_path)
    assert "takes two or more" in refused(tmp_path)
    assert "takes two or more" in refused(folder)
    write_ingredient(tmp_path, algo="bsoftmax")
    assert "--across" in refused(tmp_path)
    assert "no run here has seed 7; there is 0" in refused(tmp_path, "--seeds", "7,")


def test_an_ensemble_is_no_ingredient(runs):
    (made,) = call(runs, "--algo", "erm")["made"]
    assert "was itself made of other runs" in refused(made["folder"])


def test_an_interrupt_leaves_nothing(runs, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ltbench.session.ensemble.write_logits", stop)
    before = sorted(runs.rglob("*"))
    members = [read_ingredient(run) for run in read_runs(runs)]
    groups, _ = make_groups(members, same_method, None, "ensemble", together=False)
    with pytest.raises(KeyboardInterrupt):
        make_ensemble(groups[0], runs)
    assert sorted(runs.rglob("*")) == before


def test_whoever_is_later_takes_what_is_there(tmp_path):
    folder = tmp_path / "runs" / "data" / "erm" / "0123" / "seed-0"
    with appearing(folder) as draft:
        (draft / "result.json").write_text("first")
        with appearing(folder) as other:
            (other / "result.json").write_text("second")
    assert (folder / "result.json").read_text() == "second"
    assert [path.name for path in folder.parent.iterdir()] == ["seed-0"]


def test_the_mean_holds_one_model_at_a_time():
    parts = [np.full((2, 3), value) for value in (0.0, 1.0, 5.0)]
    assert np.array_equal(mean_probabilities(iter(parts)), np.full((2, 3), 2.0))
    assert (parts[0] == 0).all(), "no member is written to"


def test_shots_of_an_unseen_domain_are_those_of_its_runs(tmp_path):
    folders = train(tmp_path / "runs", tmp_path, dataset="tiny-mlt[unseen=dark]", seeds=[0, 1])
    (made,) = call(tmp_path / "runs")["made"]
    known = json.loads((folders[0] / "result.json").read_text())["test"]
    assert known["accuracy_zero"] is None
    assert {name for name, value in made["test"].items() if value is None} == {
        name for name, value in known.items() if value is None
    }
    assert made["test"].keys() == known.keys()


def test_an_ensemble_of_one_network_is_that_network(tmp_path):
    one, other = train(tmp_path / "runs", tmp_path, seeds=[0, 1])
    shutil.copy(one / "logits.npz", other / "logits.npz")
    (made,) = call(tmp_path / "runs")["made"]
    known = json.loads((one / "result.json").read_text())
    assert made["test"] == pytest.approx(known["test"], abs=2e-3), "logits are rounded"


def test_modifiers_belong_to_the_name_of_what_is_made(tmp_path):
    folders = train(tmp_path / "runs", tmp_path, algo="erm@ema+crt", seeds=[0, 1])
    train(tmp_path / "runs", tmp_path, algo="erm@ema[decay=0.5]+crt", seeds=[0, 1])
    one, other = call(tmp_path / "runs")["made"]
    assert {one["label"], other["label"]} == {
        "erm@ema+crt (ensemble of 2)",
        "erm@ema[decay=0.5]+crt (ensemble of 2)",
    }
    assert one["folder"] != other["folder"]
    for made in (one, other):
        assert Path(made["folder"]).parents[1] == folders[0].parents[1]
    (across,) = call(tmp_path / "runs", "--algo", "erm@ema+crt", "--across")["made"]
    parts = json.loads((Path(across["folder"]) / "spec.json").read_text())["identity"]
    assert parts["algorithm"]["modifiers"][0]["name"] == "ema"


def test_members_that_learnt_on_the_test_images_are_counted(runs):
    member = next(runs.glob("*/erm/*/seed-1/result.json"))
    result = json.loads(member.read_text())
    member.write_text(json.dumps({**result, "before_test": {"passes": 1}}))
    made = {one["label"]: Path(one["folder"]) for one in call(runs)["made"]}
    found = {run.method: run.transductive for run in read_runs(runs) if run.combined}
    assert found == {"erm (ensemble of 3)": True, "bsoftmax (ensemble of 3)": False}
    result = json.loads((made["erm (ensemble of 3)"] / "result.json").read_text())
    assert result["before_test"] == {"members": 1}
