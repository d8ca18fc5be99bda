"""Tiny trees in the published formats, and a run of three steps on a data set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ltbench.api import Dataset, Split
from ltbench.data.catalogue import open_dataset
from ltbench.data.store import open_store
from ltbench.plugins.names import parse_name

Tree = Callable[..., None]


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LTBENCH_DATA", str(tmp_path / "data"))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def write_image() -> Callable[[Path], None]:
    """Write a small noisy JPEG (or whatever the name says) that depends on its name."""

    def write(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = sum(path.name.encode())
        pixels = np.random.default_rng(seed).integers(0, 256, (24, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)

    return write


@pytest.fixture
def open_named(data_dir: Path) -> Callable[[str], tuple[Dataset, Split]]:
    return lambda name: open_dataset(parse_name(name), data_dir)


@pytest.fixture
def train(data_dir: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Plan, decode, train three steps on small images, evaluate; returns ``result.json``."""

    def three_steps(name: str, algo: str = "erm", **request: Any) -> dict[str, Any]:
        from ltbench.training.job import Job
        from ltbench.training.plan import Request, plan_runs
        from ltbench.training.run import execute

        overrides = {"steps": 3, "batch_per_domain": 2, "image_size": 32}
        request = {"backbone": "resnet32", "pretrained": False, **request}
        overrides |= request.pop("overrides", {})
        asked = Request([algo], [name], [0], "fp32", data_dir, overrides, **request)
        plan = plan_runs(asked)
        for dataset, split in plan.datasets:
            open_store(dataset, split)
        (spec,) = plan.specs
        folder = spec.folder(tmp_path / "runs")
        result = execute(Job(spec, folder, data_dir, "cpu", 1), lambda _: None, lambda: False)
        assert "error" not in result, result["traceback"]
        assert json.loads((folder / "result.json").read_text())["test"] == result["test"]
        return result

    return three_steps
