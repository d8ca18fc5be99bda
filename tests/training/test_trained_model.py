"""A run's chosen model gives an image the answer that its test gave."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ltbench.data.catalogue import open_dataset
from ltbench.errors import UsageError
from ltbench.plugins.names import parse_name
from ltbench.results.logits import read_logits
from ltbench.training.run import execute
from ltbench.training.trained_model import load_trained

sys.path.insert(0, str(Path(__file__).parents[1] / "session"))


def train(make_job, **more):
    job = make_job(steps=4, eval_every=2, **more)
    assert "test" in execute(job, lambda _: None, lambda: False)
    return job


def answers(trained, name: str, data_dir: Path):
    """Return the probabilities of the test images, read anew from the data set."""
    dataset, split = open_dataset(parse_name(name), data_dir)
    decode, rows = dataset.decoder(split), split.rows("test")
    pixels = [decode(row) for row in rows]
    squares = torch.stack([trained.square(image) for image in pixels])
    sizes = torch.tensor([image.shape[:2] for image in pixels])
    return trained.logits(trained.inputs(squares, sizes)).softmax(1).numpy()


@pytest.mark.parametrize(
    ("algo", "dataset", "settings"),
    [
        ("erm", "tiny-mlt", {}),
        ("boda+crt", "tiny-mlt", {}),
        ("erm@ema", "tiny-mlt", {"evaluation": "crop", "interpolation": "bicubic"}),
        ("mtl", "digits-mini-mlt[unseen=mnist]", {"image_size": 36}),
    ],
)
def test_predictions_are_those_of_the_test(make_job, tmp_path, algo, dataset, settings):
    job = train(make_job, algo=algo, dataset=dataset, **settings)
    trained = load_trained(job.folder)
    found = answers(trained, dataset, tmp_path)
    with np.load(job.folder / "predictions.npz") as arrays:
        assert (found.argmax(1) == arrays["prediction"]).all()
        assert (found.max(1) == arrays["confidence"]).all()
    kept = read_logits(job.folder, "test").probabilities()
    assert np.allclose(found, kept, atol=2e-3)
    assert trained.classes == tuple(job.spec.data["classes"])


def test_the_files_of_the_data_set_are_not_needed(make_job, monkeypatch):
    job = train(make_job)
    monkeypatch.setattr("ltbench.training.trained_model.create_dataset", None)
    assert load_trained(job.folder).facts.size == job.spec.data["image"]["size"]


def test_a_run_that_noted_no_size_asks_its_data_set(make_job):
    job = train(make_job, dataset="digits-mini-mlt")
    path = job.folder / "spec.json"
    spec = json.loads(path.read_text())
    del spec["data"]["image"]
    path.write_text(json.dumps(spec))
    one, other = load_trained(job.folder), replace(load_trained(job.folder), batch=1)
    assert one.facts.size == 28
    image = np.random.default_rng(0).integers(0, 256, (40, 20, 3), dtype=np.uint8)
    x = one.transform(image)
    assert x.shape == (3, 28, 28)
    x2 = torch.stack([x, x])
    # Kernels of one image and of two sum in another order, by processor.
    torch.testing.assert_close(one.logits(x2), other.logits(x2))
    assert one.features(x[None]).shape[1] == one.algorithm.num_features


def spoil(folder: Path, **changes: object) -> None:
    path = folder / "spec.json"
    spec = json.loads(path.read_text())
    spec["identity"].update(changes)
    path.write_text(json.dumps(spec))


def test_what_cannot_be_used_is_said(make_job, tmp_path):
    with pytest.raises(UsageError, match=r"is no run: it has no spec\.json"):
        load_trained(tmp_path)
    job = train(make_job)
    (job.folder / "checkpoint/best.pt").rename(job.folder / "checkpoint/away.pt")
    with pytest.raises(UsageError, match="has no weights"):
        load_trained(job.folder)
    (job.folder / "checkpoint/best.pt").write_bytes(b"PK")
    with pytest.raises(UsageError, match=r"best\.pt is damaged"):
        load_trained(job.folder)
    (job.folder / "checkpoint/away.pt").replace(job.folder / "checkpoint/best.pt")
    spoil(job.folder, plugins={"ltbench-moths": "2.1 0123456789ab"})
    with pytest.raises(UsageError, match=r"made with ltbench-moths 2\.1, which is not installed"):
        load_trained(job.folder)
    spoil(job.folder, plugins=job.spec.plugins)
    spoil(job.folder, backbone={"name": "digits-cnn-narrow", "pretrained": False, "weights": None})
    with pytest.raises(UsageError, match="do not fit the network"):
        load_trained(job.folder)
    (job.folder / "result.json").unlink()
    with pytest.raises(UsageError, match="is not done, so it has no model"):
        load_trained(job.folder)
    (job.folder / "error.json").write_text('{"error": "DivergedError: the loss is nan"}')
    with pytest.raises(UsageError, match=r"failed .*the loss is nan"):
        load_trained(job.folder)
