"""Writes a cache folder of the Hugging Face hub, in the layout that it publishes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = "test_resnet"  # timm's smallest
PREPROCESSING = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}


def config(**changes: Any) -> dict[str, Any]:
    """Return a ``config.json`` as timm writes it."""
    pretrained = {
        "tag": "x", "custom_load": False, "input_size": [3, 160, 160], "interpolation": "bicubic",
        "crop_pct": 0.95, "crop_mode": "center", "num_classes": 7, "pool_size": [5, 5],
        "first_conv": "conv1.0", "classifier": "fc", **PREPROCESSING,
    }  # fmt: skip
    return {
        "architecture": MODEL,
        "num_classes": 7,
        "pretrained_cfg": pretrained,
        **changes,
    }


def write_repository(
    hub: Path, repository: str, document: Any = None, *, commit: str = COMMIT, seed: int = 0
) -> dict[str, torch.Tensor]:
    """Write a repository with random weights and return these."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / "main").write_text(commit)
    document = config() if document is None else document
    text = document if isinstance(document, str) else json.dumps(document)
    (snapshot / "config.json").write_text(text)
    torch.manual_seed(seed)
    state = timm.create_model(MODEL, pretrained=False, num_classes=7).state_dict()
    save_file(state, snapshot / "model.safetensors", metadata={"format": "pt"})
    return state
