"""The probabilities of ``ltbench predict``, computed again from what a run keeps."""

from __future__ import annotations

import csv
import io
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from scipy.optimize import minimize

from ltbench.cli.main import cli
from ltbench.cli.predict import predict
from ltbench.cli.run import run as train
from ltbench.errors import UsageError
from ltbench.results.index import read_runs
from ltbench.results.logits import read_logits
from ltbench.session.prediction import Prediction, image_paths, make_predictor
from ltbench.session.temperature import run_temperature
from ltbench.stats.temperature import fitted_temperature
from ltbench.training.trained_model import TrainedModel

NAMES = ("a b", "Ünï", "蛾 [x]")
NUMBERS = {"train": (9, 5, 3), "val": (5, 4, 3), "test": (6, 5, 4)}


@pytest.fixture(scope="module")
def moths(tmp_path_factory) -> Path:
    """Train a run on pictures that are hard to tell; return the folder of both."""
    root = tmp_path_factory.mktemp("moths")
    draw_pictures(root / "photos")
    call(
        "run --algo erm --seeds 1 --steps 12 --eval-every 4 --lr 0.003 --batch-size 8 --quiet"
        " --backbone digits-cnn-narrow --no-pretrained --no-leaderboard --image-size 28"
        " --precision fp32 --device cpu",
        "--dataset", f"image-folder[root={root / 'photos'}]", "--out", str(root / "runs"),
    )  # fmt: skip
    sharpen(run_of(root))
    return root


def sharpen(folder: Path) -> None:
    """Make a run surer of its validation images, so that its temperature is far from 1."""
    with np.load(folder / "logits.npz") as kept:
        arrays = dict(kept)
    arrays["val_logits"] = 3 * arrays["val_logits"]
    np.savez(folder / "logits.npz", **arrays)


def draw_pictures(photos: Path) -> None:
    rng = np.random.default_rng(0)
    for part, numbers in NUMBERS.items():
        for k, (name, number) in enumerate(zip(NAMES, numbers, strict=True)):
            folder = photos / part / name
            folder.mkdir(parents=True)
            for i in range(number):
                image = rng.integers(0, 215, (30 + i, 40, 3), dtype=np.uint8)
                image[..., k] += 12
                Image.fromarray(image).save(folder / f"no {i} ({k}).png")


def call(words: str, *more: str, code: int = 0):
    for command in (predict, train):
        if command.name not in cli.commands:
            cli.add_command(command)
    found = CliRunner().invoke(cli, [*words.split(), *more])
    assert found.exit_code == code, found.output
    return found


def run_of(moths: Path) -> Path:
    (record,) = read_runs(moths / "runs")
    return Path(record.path)


def table(moths: Path, *more: str) -> dict[str, dict[str, str]]:
    """Return the rows of all test pictures, each with all classes, by their names in the split."""
    photos = moths / "photos"
    said = call("predict", str(run_of(moths)), str(photos / "test"), "--top", "3", *more).stdout
    rows = list(csv.DictReader(io.StringIO(said)))
    return {str(Path(row["image"]).relative_to(photos)): row for row in rows}


def probabilities(row: dict[str, str]) -> np.ndarray:
    """Return the probabilities of a row in the order of the classes."""
    of = {row[f"class_{k}"]: float(row[f"probability_{k}"]) for k in (1, 2, 3)}
    return np.array([of[name] for name in NAMES])


def softmax(z: np.ndarray) -> np.ndarray:
    p = np.exp(z - z.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def test_the_temperature_is_the_one_of_the_smallest_loss_on_validation_images(moths):
    folder = run_of(moths)
    validation = read_logits(folder, "val")
    (folder / "temperature.json").unlink(missing_ok=True)
    fitted = run_temperature(folder)
    kept = json.loads((folder / "temperature.json").read_text())
    assert kept["images"] == fitted.images == len(validation) == sum(NUMBERS["val"])
    assert kept["temperature"] == fitted.value == fitted_temperature(validation)
    z, y = validation.logits.astype(float), validation.classes

    def loss(log_t: np.ndarray) -> float:
        return float(-np.log(softmax(z / np.exp(log_t[0]))[np.arange(len(y)), y]).mean())

    best = min((minimize(loss, [start], tol=1e-10) for start in (-2, 0, 2)), key=lambda f: f.fun)
    assert abs(best.x[0]) < 3.9, "at the border of what is tried"
    assert abs(best.x[0]) > 0.5, "nearly as good without any temperature"
    assert np.log(fitted.value) == pytest.approx(best.x[0], abs=1e-3)


def test_nothing_is_fitted_on_images_that_a_part_was_trained_on(moths, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run_of(moths), folder)
    result = json.loads((folder / "result.json").read_text())
    result["trained_on_validation"] = ["dfr"]
    (folder / "result.json").write_text(json.dumps(result))
    found = run_temperature(folder)
    assert found.value == 1
    assert found.why_not == "a part of the run was trained on the validation images"


def test_probabilities_are_the_softmax_at_the_temperature(moths):
    folder = run_of(moths)
    found, heat = table(moths), run_temperature(folder).value
    kept = read_logits(folder, "test")
    expected = softmax(kept.logits.astype(float) / heat)
    assert set(found) == set(kept.images.tolist())
    for image, p in zip(kept.images.tolist(), expected, strict=True):
        assert probabilities(found[image]) == pytest.approx(p, abs=1e-3)  # kept in half precision


@pytest.mark.parametrize("assumed", ["train", "uniform"])
def test_a_prior_reweights_by_what_the_model_assumes(moths, tmp_path, assumed):
    wanted = np.array([0.1, 0.3, 0.6])
    own = np.array(NUMBERS["train"]) if assumed == "train" else np.ones(3)
    plain = table(moths)
    (tmp_path / "q.csv").write_text(
        "class,probability\n" + "".join(f"{n},{q}\n" for n, q in zip(NAMES, wanted, strict=True))
    )
    for prior, q in (("uniform", np.full(3, 1 / 3)), (str(tmp_path / "q.csv"), wanted)):
        found = table(moths, "--prior", prior, "--model-prior", assumed)
        for image, row in found.items():
            weighed = probabilities(plain[image]) * q / (own / own.sum())
            assert probabilities(row) == pytest.approx(weighed / weighed.sum(), abs=1e-5)
        moved = [np.abs(probabilities(found[i]) - probabilities(plain[i])).max() for i in found]
        assert (max(moved) > 0.02) == (prior != "uniform" or assumed == "train")


def test_images_below_the_threshold_alone_have_no_answer(moths):
    plain = table(moths)
    surest = sorted(float(row["probability_1"]) for row in plain.values())
    middle = (surest[len(surest) // 2 - 1] + surest[len(surest) // 2]) / 2
    unsure = table(moths, "--reject", str(middle))
    for image, row in unsure.items():
        sure = float(row["probability_1"]) >= middle
        assert row["prediction"] == (plain[image]["class_1"] if sure else "")
        assert {**row, "prediction": ""} == {**plain[image], "prediction": ""}
    assert sum(not row["prediction"] for row in unsure.values()) == len(surest) // 2


def test_a_class_without_training_images_has_no_prior_of_the_model(moths, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run_of(moths), folder)
    spec = json.loads((folder / "spec.json").read_text())
    spec["data"]["counts"]["train"] = [[9, 0, 3]]
    (folder / "spec.json").write_text(json.dumps(spec))
    image = str(next((moths / "photos").rglob("*.png")))
    found = call("predict", str(folder), image, "--prior", "uniform", code=2)
    said = " ".join(found.output.split())
    assert f"--prior: '{NAMES[1]}' has no training image, so nothing is known of how" in said
    assert "--model-prior uniform takes all classes as equally likely" in said
    found = call("predict", str(folder), image, "--prior", "uniform", "--model-prior", "uniform")
    plain = call("predict", str(folder), image)
    assert found.stdout == plain.stdout


def test_models_of_an_ensemble_are_corrected_by_their_own_training_images(moths, tmp_path):
    one, other = run_of(moths), tmp_path / "run"
    shutil.copytree(one, other)
    spec = json.loads((other / "spec.json").read_text())
    spec["data"]["counts"]["train"] = [[2, 9, 40]]
    (other / "spec.json").write_text(json.dumps(spec))
    found = make_predictor([one, other], prior="uniform")
    pictures = image_paths([moths / "photos" / "test"])
    alone = [make_predictor([folder], prior="uniform") for folder in (one, other)]
    squares = [found.models[0].square(found.models[0].read(path)) for path in pictures]
    inputs = torch.stack(squares), torch.tensor([[30, 40]] * len(pictures))
    first, second = (each.probabilities(*inputs) for each in alone)
    assert np.abs(first - second).max() > 0.1
    assert found.probabilities(*inputs) == pytest.approx((first + second) / 2, abs=1e-9)
    for prior in ("train", "forward-50", "backward-10"):
        with pytest.raises(UsageError, match="had different numbers of them: name a file"):
            make_predictor([one, other], prior=prior)
        make_predictor([one, one], prior=prior)


def test_small_batches_answer_as_one_and_in_the_order_of_the_images(moths, tmp_path, monkeypatch):
    read = TrainedModel.read

    def later(model, path):
        time.sleep(0.2 * path.name.startswith("no 0"))  # so that the first is ready last
        return read(model, path)

    monkeypatch.setattr(TrainedModel, "read", later)
    pictures = image_paths([moths / "photos"])
    broken = [tmp_path / f"broken {i}.png" for i in range(6)]
    for path in broken:
        path.write_bytes(pictures[0].read_bytes()[:60])
    # A whole batch of four that cannot be read, one in a batch, and one at the end.
    images = [*pictures[:8], *broken[:4], *pictures[8:10], broken[4], *pictures[10:], broken[5]]
    whole = make_predictor([run_of(moths)])
    model = whole.models[0]
    parts = replace(whole, models=(replace(model, batch=4),))
    whole = replace(whole, models=(replace(model, batch=len(images)),))
    told: list[tuple[int, int]] = []
    found = list(parts.answers(images, 2, lambda done, total: told.append((done, total))))
    total = len(images)
    assert told == [(min(done, total), total) for done in range(4, total + 4, 4)]
    assert [one.image for one in found] == images
    assert {one.image for one in found if one.problem} == set(broken)
    for one, other in zip(found, whole.answers(images, 2), strict=True):
        same = Prediction(one.image, other.classes, one.probabilities, other.problem)
        assert one == same
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
        assert len(one.classes) == (0 if one.problem else 2)
    assert len({one.probabilities for one in found}) == len(pictures) + 1
