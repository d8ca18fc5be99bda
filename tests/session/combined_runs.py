"""Runs to combine: synthetic ones with logits, and small trained ones that start from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ltbench.models.catalogue import build_backbone
from ltbench.results.logits import kept_logits, write_logits
from ltbench.session.plan import Request, plan_runs
from ltbench.testing import write_run
from ltbench.training.job import Job
from ltbench.training.run import execute

CLASSES = 4


def write_ingredient(
    root: Path, *, algo: str = "erm", seed: int = 0, images: str = "image", **more: Any
) -> Path:
    """Write a synthetic run of four classes with logits of test and validation images."""
    more = {"classes": CLASSES, "per_class": 5, **more}
    folder = write_run(root, algo=algo, seed=seed, **more)
    with np.load(folder / "predictions.npz") as arrays:
        y, d = arrays["class"], arrays["domain"]
    rng = np.random.default_rng([seed, len(algo), 7])
    parts = {}
    for part in ("test", "val"):
        z = rng.normal(size=(len(y), more["classes"])) + 2.0 * np.eye(more["classes"])[y]
        names = np.array([f"{part}/{images}-{i}" for i in range(len(y))])
        parts[part] = kept_logits(z, y, d, names)
    write_logits(folder / "logits.npz", parts)
    return folder


def write_weights(path: Path, backbone: str = "digits-cnn", seed: int = 0) -> Path:
    """Write weights that runs on the tiny data set can start from."""
    torch.manual_seed(seed)
    torch.save(build_backbone(backbone, (3, 12, 12), False, 0.0).state_dict(), path)
    return path


def train(
    out: Path,
    data_dir: Path,
    *,
    algo: str = "erm",
    dataset: str = "tiny-mlt",
    seeds: Sequence[int] = (0, 1, 2),
    weights: Path | None = None,
    backbone: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Train on the tiny data set for a few steps and return the runs' folders."""
    request = Request(
        [algo],
        [dataset],
        seeds,
        "fp32",
        data_dir,
        {"steps": 4, "eval_every": 2, **(settings or {})},
        backbone=backbone,
        weights=weights,
    )
    folders = []
    for spec in plan_runs(request).specs:
        folder = spec.folder(out)
        result = execute(
            Job(spec, folder, data_dir, weights=weights), lambda _: None, lambda: False
        )
        assert "test" in result, result
        folders.append(folder)
    return folders
