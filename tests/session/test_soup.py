"""Soups of trained runs: which may be averaged, which are taken, and what is written."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))

from combined_runs import train, write_ingredient, write_weights

from ltbench.cli.soup import soup
from ltbench.errors import LtbenchError
from ltbench.results.documents import read_predictions
from ltbench.results.folder import RunFolder
from ltbench.results.index import read_runs
from ltbench.results.logits import read_logits
from ltbench.training.checkpoint import Best, load_best, save_checkpoint
from ltbench.training.soup import same_weights


def call(*words: object) -> dict:
    typed = [*map(str, words), "--device", "cpu", "--json"]
    result = CliRunner().invoke(soup, typed, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*words: object) -> str:
    with pytest.raises(LtbenchError) as error:
        CliRunner().invoke(soup, [*map(str, words), "--device", "cpu"], catch_exceptions=False)
    assert error.value.exit_code == 2
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Three seeds and a setting of their own, from the same weights."""
    root = tmp_path_factory.mktemp("trained")
    weights = write_weights(root / "weights.pt")
    train(root / "runs", root, weights=weights)
    train(root / "runs", root, weights=weights, seeds=[0], settings={"lr": 5e-3})
    return root / "runs"


@pytest.fixture
def runs(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "runs"))


def members(runs: Path) -> list[Path]:
    return [Path(run.path) for run in read_runs(runs) if not run.combined]


def put_weights(folder: Path, model: dict[str, torch.Tensor], value: float | None = None) -> None:
    best = load_best(RunFolder(folder).best)
    score = best.value if value is None else value
    save_checkpoint(RunFolder(folder).best, Best(best.step, score, best.val, model))
    if value is not None:
        path = folder / "result.json"
        result = json.loads(path.read_text())
        result["selection"]["value"] = value
        path.write_text(json.dumps(result))


def test_a_uniform_soup_has_the_mean_of_all_weights(runs):
    (made,) = call(runs, "--uniform")["made"]
    assert made["label"] == "erm (uniform soup of 4)"
    found = load_best(RunFolder(Path(made["folder"])).best).model
    states = [load_best(RunFolder(folder).best).model for folder in members(runs)]
    assert len(states) == 4
    for key, value in found.items():
        expected = torch.stack([state[key].double() for state in states]).mean(0)
        assert torch.allclose(value.double(), expected, atol=1e-6), key


def test_it_is_a_run_with_everything_that_a_run_has(runs):
    (made,) = call(runs, "--uniform")["made"]
    folder = Path(made["folder"])
    result = json.loads((folder / "result.json").read_text())
    one = json.loads((members(runs)[0] / "result.json").read_text())
    assert result["test"].keys() == one["test"].keys()
    assert result["domains"].keys() == one["domains"].keys()
    assert result["macs"] == one["macs"]
    assert result["parameters"] == one["parameters"]
    assert result["combined"]["networks"] == 1
    answers, logits = read_predictions(folder), read_logits(folder, "test")
    assert np.array_equal(answers["prediction"], logits.logits.argmax(1))
    assert len(read_logits(folder, "val")) == 18
    assert (folder / "features.npz").is_file()
    (record,) = (run for run in read_runs(runs) if run.combined)
    assert record.status == "done"
    best = max(members(runs), key=score)
    spec = json.loads((best / "spec.json").read_text())
    assert record.protocol_hash == spec["protocol_hash"], "of the best on validation"
    assert len({m["protocol"] for m in record.combined["members"]}) == 2
    assert not call(runs, "--uniform")["made"][0]["new"]


def score(folder: Path) -> float:
    return json.loads((folder / "result.json").read_text())["selection"]["value"]


def test_a_soup_of_the_same_run_is_that_run(tmp_path):
    weights = write_weights(tmp_path / "weights.pt", backbone="resnet32")
    root = tmp_path / "runs"
    one, other = train(root, tmp_path, weights=weights, backbone="resnet32", seeds=[0, 1])
    model = load_best(RunFolder(one).best).model
    put_weights(other, model)
    expected = json.loads((one / "result.json").read_text())
    for words in (("--uniform",), ()):
        (made,) = call(root, *words)["made"]
        assert same_weights(load_best(RunFolder(Path(made["folder"])).best).model, model)
        assert made["test"] == pytest.approx(expected["test"], abs=1e-6)


def test_a_greedy_soup_leaves_out_the_one_that_harms(runs):
    good, same, bad, last = members(runs)
    model = load_best(RunFolder(good).best).model
    put_weights(good, model, value=0.9)
    put_weights(same, model, value=0.8)
    noise = {k: v + 100 * torch.randn_like(v) if v.is_floating_point() else v
             for k, v in model.items()}  # fmt: skip
    put_weights(bad, noise, value=0.7)
    put_weights(last, model, value=0.6)
    made, everything = call(runs)["made"][0], call(runs, "--uniform")["made"][0]
    result = json.loads((Path(made["folder"]) / "result.json").read_text())
    found = {m["seed"] if m["hash"] in str(same) else "lr": m["kept"]
             for m in result["combined"]["members"]}  # fmt: skip
    assert [m["kept"] for m in result["combined"]["members"]].count(False) == 1, found
    left_out = next(m for m in result["combined"]["members"] if not m["kept"])
    assert left_out["run"].endswith(f"{bad.parent.name}/{bad.name}")
    assert left_out["soup"] < result["selection"]["value"]
    assert made["label"] == "erm (greedy soup of 3 of 4)"
    assert same_weights(load_best(RunFolder(Path(made["folder"])).best).model, model)
    assert everything["folder"] != made["folder"]
    assert call(runs)["made"][0] == {**made, "new": False}


def test_seeds_that_began_at_random_make_none(tmp_path):
    folders = train(tmp_path / "runs", tmp_path, seeds=[0, 1])
    message = refused(tmp_path / "runs")
    assert "the runs of erm began at random weights, each seed at its own (0, 1)" in message
    assert "--pretrained or --weights FILE" in message
    assert "initial weights" in refused(*folders)
    train(tmp_path / "runs", tmp_path, seeds=[0], settings={"lr": 2e-3})
    answer = call(tmp_path / "runs", "--uniform")
    assert [len(one["combined"]["members"]) for one in answer["made"]] == [2]
    assert answer["remarks"] == [
        "erm on tiny-mlt seed 1 left out, as no other run shares their start"
    ]


def test_other_weights_algorithms_and_backbones_make_none(runs, tmp_path):
    first = members(runs)[0]
    weights = write_weights(tmp_path / "other.pt", seed=1)
    (other,) = train(runs, tmp_path, weights=weights, seeds=[5])
    assert "differ in pretrained weights" in refused(first, other)
    (focal,) = train(runs, tmp_path, algo="focal", seeds=[5])
    assert "differ in algorithm, pretrained weights and initial weights" in refused(first, focal)


def test_adapted_networks_are_averaged_around_their_frozen_part(tmp_path):
    weights = write_weights(tmp_path / "weights.pt")
    backbone = "digits-cnn[adapt=layernorm]"
    train(tmp_path / "runs", tmp_path, weights=weights, backbone=backbone, seeds=[0, 1])
    (made,) = call(tmp_path / "runs", "--uniform")["made"]
    one, two, mean = (load_best(RunFolder(Path(p)).best).model
                      for p in (*members(tmp_path / "runs"), made["folder"]))  # fmt: skip
    assert mean.keys() == one.keys()
    frozen = "backbone._extra_state"
    for name, value in mean.items():
        expected = one[name] if name == frozen else (one[name].double() + two[name].double()) / 2
        assert torch.equal(value, expected.to(value.dtype)), name
    result = json.loads((Path(made["folder"]) / "result.json").read_text())
    assert result["trainable_parameters"] < result["parameters"] / 10
    train(tmp_path / "runs", tmp_path, weights=weights, backbone=backbone, seeds=[2])
    torch.save({}, weights)
    assert "does not hold the weights that digits-cnn[adapt=layernorm] was adapted from" in refused(
        tmp_path / "runs", "--uniform"
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "`ltbench clean --checkpoints` removes it"),
        (lambda path: path.write_bytes(path.read_bytes()[:-99]), "best.pt is damaged"),
        (lambda path: path.write_bytes(b"no weights"), "best.pt is damaged"),
    ],
)
def test_weights_that_cannot_be_read_are_said_in_a_sentence(runs, spoil, message):
    folder = members(runs)[1]
    spoil(RunFolder(folder).best)
    before = sorted(runs.rglob("*"))
    told = refused(runs)
    assert message in told
    assert "erm on tiny-mlt seed" in told
    assert sorted(runs.rglob("*")) == before


def test_weights_of_another_network_are_told(runs):
    folder = members(runs)[1]
    model = load_best(RunFolder(folder).best).model
    put_weights(folder, {**model, "classifier.weight": torch.zeros(7, 2)})
    assert "'classifier.weight' is float32" in refused(runs)


def test_the_last_step_has_no_score_for_a_greedy_soup(tmp_path):
    weights = write_weights(tmp_path / "weights.pt")
    train(tmp_path / "runs", tmp_path, weights=weights, seeds=[0, 1], settings={"select": "last"})
    assert "use --uniform" in refused(tmp_path / "runs")
    assert call(tmp_path / "runs", "--uniform")["made"][0]["new"]


def test_one_run_is_no_soup_and_runs_from_elsewhere_need_their_images(tmp_path):
    write_ingredient(tmp_path / "runs")
    assert "takes two or more" in refused(tmp_path / "runs")
    write_ingredient(tmp_path / "runs", algo="bsoftmax")
    assert "the only run of its kind" in refused(tmp_path / "runs")


def test_an_interrupt_leaves_nothing(runs, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ltbench.session.soup.evaluate_on_test", stop)
    before = sorted(runs.rglob("*"))
    CliRunner().invoke(soup, [str(runs), "--device", "cpu"])
    assert sorted(runs.rglob("*")) == before
