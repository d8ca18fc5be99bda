"""From pictures to a model at work: race, board, errors, export, and the model asked."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from ltbench.results.index import read_runs
from ltbench.training.trained_model import load_trained

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
NAMES = ("Noctua (pronuba)", "蛾 [x]", "Ünï mit Raum")


def ltbench(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    found = subprocess.run(
        [sys.executable, "-m", "ltbench", *words],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return found


@pytest.fixture(scope="module")
def journey(tmp_path_factory) -> tuple[Path, str]:
    """Race two methods on pictures with odd names; return the folder and what was said."""
    folder = tmp_path_factory.mktemp("moths")
    rng = np.random.default_rng(0)
    for k, name in enumerate(NAMES):
        place = folder / "my photos" / name
        place.mkdir(parents=True)
        for i in range(18 - 4 * k):
            image = rng.integers(0, 130, (34 + i, 40, 3), dtype=np.uint8)
            image[..., k] += 110
            Image.fromarray(image).save(place / f"no. {i} [{k}].{'JPG' if i % 2 else 'png'}")
    raced = ltbench(
        folder, "race", "--dataset", "image-folder[root='my photos']", "--budget", "10m",
        "--algo", "erm,bsoftmax", "--seeds", "3", "--steps", "30", "--eval-every", "10",
        "--lr", "0.005", "--batch-size", "8", "--backbone", "test_resnet", "--no-pretrained",
        "--image-size", "32", "--precision", "fp32", "--device", "cpu", "--augmentation", "none",
    )  # fmt: skip
    return folder, raced.stdout + raced.stderr


def test_the_race_says_what_stands_out_and_who_leads(journey):
    folder, said = journey
    assert "note: " in said or "to do: " in said
    assert "on image-folder" in said
    assert len([run for run in read_runs(folder / "runs") if run.status == "done"]) == 6


def test_the_board_and_the_page_of_errors_show_it(journey):
    folder, _ = journey
    board = ltbench(folder, "leaderboard", "--format", "markdown").stdout
    assert "| bsoftmax |" in board
    ltbench(folder, "errors", "bsoftmax@image-folder", "-o", "errors.html")
    page = (folder / "errors.html").read_text(encoding="utf-8")
    assert all(name in page for name in NAMES)


def test_the_export_answers_as_the_test_did(journey):
    folder, _ = journey
    runs = [r for r in read_runs(folder / "runs") if r.status == "done" and r.method == "bsoftmax"]
    run = Path(runs[0].path)
    ltbench(folder, "export", str(run), "-o", "taken home")
    network = timm.create_model(f"local-dir:{folder / 'taken home'}", pretrained=True).eval()
    labels = (folder / "taken home" / "labels.txt").read_text(encoding="utf-8").splitlines()
    classes = json.loads((run / "spec.json").read_text(encoding="utf-8"))["data"]["classes"]
    assert sorted(labels) == sorted(NAMES)
    assert labels == classes == list(network.pretrained_cfg["label_names"])
    ltbench(folder, "predict", str(run), "my photos", "-o", "predictions.csv")
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        answers = {row["image"]: row["prediction"] for row in csv.DictReader(file)}
    transform = load_trained(run).transform
    with np.load(run / "predictions.npz") as kept, np.load(run / "logits.npz") as logits:
        tested = list(
            zip(logits["test_image"], kept["prediction"], kept["confidence"], strict=True)
        )
    assert len({c for _, c, _ in tested}) > 1
    for image, c, confidence in tested:
        path = Path("my photos") / str(image)
        assert answers[str(path)] == labels[c]
        x = transform(np.asarray(Image.open(folder / path).convert("RGB")))
        with torch.no_grad():
            p = network(x[None]).softmax(1)[0]
        assert int(p.argmax()) == c
        assert float(p.max()) == pytest.approx(float(confidence), abs=1e-4)
