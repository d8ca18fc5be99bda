"""Tiny runs that are handed in, and what a dishonest person may do with them."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from combined_runs import train
from dishonest import Members

from ltbench.results.index import read_runs
from ltbench.results.submission import MANIFEST, write_submission
from ltbench.session.ensemble import make_ensemble, same_method
from ltbench.session.ingredients import make_groups, read_ingredient
from ltbench.session.submit import submit
from ltbench.session.verification.verify import Verification, verify

SETTINGS = {"steps": 12, "eval_every": 6}


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    """Two methods with two seeds, a stage, and an ensemble of two."""
    root = tmp_path_factory.mktemp("handed-in") / "runs"
    for algo in ("erm", "bsoftmax"):
        train(root, data_dir, algo=algo, seeds=(0, 1), settings=SETTINGS)
    train(root, data_dir, algo="erm@ema+crt", seeds=(0,), settings=SETTINGS)
    erm = [read_ingredient(r) for r in read_runs(root) if r.algorithm == "erm" and not r.stages]
    groups, _ = make_groups(erm, same_method, None, "ensemble", together=True)
    for group in groups:
        make_ensemble(group, data_dir)
    return root


@pytest.fixture(scope="session")
def archive(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "submission.zip"
    submit(read_runs(runs), path, by="Ada")
    return path


@pytest.fixture
def members(archive: Path) -> Members:
    with zipfile.ZipFile(archive) as file:
        return Members({n: file.read(n) for n in file.namelist() if n != MANIFEST})


@pytest.fixture
def check(archive: Path, tmp_path: Path, data_dir: Path) -> Callable[..., Verification]:
    """Hand edited members in, with a manifest that fits them, and check them."""

    def check(members: Mapping[str, bytes], **more: Any) -> Verification:
        with zipfile.ZipFile(archive) as file:
            manifest = json.loads(file.read(MANIFEST))
        path = tmp_path / "edited.zip"
        write_submission(members, manifest, path)
        return verify(path, data_dir, **more)

    return check
