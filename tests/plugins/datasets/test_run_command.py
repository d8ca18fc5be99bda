"""``ltbench run`` on a folder that nothing was told about, and what a protocol freezes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ltbench.training.checkpoint import load_best


def test_a_folder_that_nothing_was_told_about(tmp_path: Path, write_image: Callable) -> None:
    root = tmp_path / "My Photos, 2024"
    for label in ("moth", "Großer Eisvogel"):
        for i in range(6):
            write_image(root / label / f"IMG {i}.JPG")
    (root / "notes.txt").write_text("x")
    command = ["run", "--algo", "bsoftmax", "--dataset", f'image-folder[root="{root}",size=32]']
    command += ["--backbone", "mobilenetv2_100", "--no-pretrained", "--steps", "5"]
    command = [sys.executable, "-m", "ltbench", *command, "--seeds", "1", "--device", "cpu"]
    # Threads that spin while they wait are slow where tests share the cores.
    patient = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(
        command, cwd=tmp_path, env=patient, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (result,) = tmp_path.glob("runs/image-folder*/bsoftmax/*/seed-0/result.json")
    found = json.loads(result.read_text())
    assert found["test"]["accuracy"] is not None
    assert len(found["confusion"]["images"]) == 2


@pytest.mark.parametrize(
    ("asked", "frozen"),
    [({"freeze_bn": True}, True), ({"freeze_bn": False}, False), ({}, False)],
    ids=["frozen", "not frozen", "as the protocol says, which is for pretrained weights"],
)
def test_frozen_statistics_stay_as_they_are(
    asked: dict[str, bool], frozen: bool, tmp_path: Path, write_image: Callable, train: Callable
) -> None:
    for label in ("moth", "wasp"):
        for i in range(6):
            write_image(tmp_path / "moths" / label / f"{i}.jpg")
    name = f"image-folder[root={tmp_path}/moths,size=32]"
    train(name, overrides=asked, backbone="resnet18")
    (best,) = tmp_path.glob("runs/*/*/*/seed-0/checkpoint/best.pt")
    model = load_best(best).model
    means = [value for key, value in model.items() if key.endswith("running_mean")]
    assert len(means) == 20
    # A network that starts from nothing has seen no batch: its running means are zero.
    assert all(torch.equal(m, torch.zeros_like(m)) == frozen for m in means)
