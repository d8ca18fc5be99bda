"""Loss × test images, for each model and training set."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from ltbench_tables.backbones import Profile, subset_masks
from ltbench_tables.losses import losses
from sklearn.metrics import accuracy_score, f1_score
from synthetic_runs import write_run

from ltbench.errors import UsageError
from ltbench.report.figure_data import FigureData
from ltbench.report.selection import select_runs
from ltbench.results.documents import read_predictions
from ltbench.results.frame import load_runs

MODELS = ("resnetv2_50", "convnext_base")
TAIL = np.array([[int(450 * 0.01 ** (c / 99)) for c in range(100)]])


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for algo, model, profile in itertools.product(("erm", "ldam"), MODELS, ("balanced", "exp")):
        write_run(
            tmp_path, algo=algo, backbone=model, dataset="cifar100-lt",
            options={"profile": profile}, classes=100, domains=("cifar100",), per_class=50,
            shots=(100, 20), train=TAIL if profile == "exp" else np.full((1, 100), 450),
        )  # fmt: skip
    return tmp_path


def data(runs: Path) -> FigureData:
    return FigureData(load_runs(runs))


def test_a_table_has_the_shape_of_the_published_ones_and_scikit_learns_numbers(runs: Path) -> None:
    (table,) = losses(data(runs), "convnext_base", "balanced", ["loss", "accuracy", "f1"])
    assert [row[0] for row in table.grid.body] == ["erm", "ldam"]
    heads = [column.head.split("\n") for column in table.grid.columns[2:]]
    subsets = ("balanced", "long-tailed", "head", "middle", "tail")
    assert heads == [[s, m] for s in subsets for m in ("loss", "accuracy", "f1")]
    chosen = load_runs(runs).table.query("algorithm == 'ldam' and backbone == 'convnext_base'")
    profiles = chosen["options"].map(lambda options: options["profile"])
    arrays = read_predictions(Path(chosen["path"][profiles == "balanced"].item()))
    tail = subset_masks(arrays, Profile(TAIL, 100, 20, "x"))["tail"]
    assert tail is not None
    label, guess = arrays["class"][tail], arrays["prediction"][tail]
    shown = dict(zip([tuple(head) for head in heads], table.grid.body[1][2:], strict=True))
    assert shown["tail", "accuracy"] == f"{100 * accuracy_score(label, guess):.1f}"
    f1 = f1_score(label, guess, average="weighted", labels=np.unique(label))
    assert shown["tail", "f1"] == f"{100 * f1:.1f}"


def test_each_model_and_training_set_has_its_own(runs: Path) -> None:
    assert len(losses(data(runs), "", "", ["accuracy"])) == 4
    assert len(losses(data(runs), "", "exp", ["accuracy"])) == 2
    assert all("1,051" in one.notes[0] for one in losses(data(runs), "", "", ["accuracy"]))


def write_cell(runs: Path, algo: str = "erm", **more) -> Path:
    return write_run(
        runs, algo=algo, backbone="convnext_base", dataset="cifar100-lt",
        options={"profile": "exp"}, classes=100, domains=("cifar100",), per_class=50,
        shots=(100, 20), train=TAIL, **more,
    )  # fmt: skip


def test_rows_of_two_precisions_are_said_to_be(runs: Path) -> None:
    (one,) = losses(data(runs), "convnext_base", "exp", ["accuracy"])
    assert not any("bf16" in note for note in one.notes)
    folder = write_cell(runs, "focal")
    spec = json.loads((folder / "spec.json").read_text())
    spec["identity"]["precision"] = "fp32"
    (folder / "spec.json").write_text(json.dumps(spec))
    (one,) = losses(data(runs), "convnext_base", "exp", ["accuracy"])
    assert any("in bf16 and fp32, so rows differ in that too" in note for note in one.notes)


def test_a_row_is_never_the_mean_of_two_experiments(runs: Path) -> None:
    write_cell(runs, seed=1)
    (one,) = losses(data(runs), "convnext_base", "exp", ["accuracy"])
    assert one.grid.body[0][1] == "2", "another seed of the same is in the mean"
    write_cell(runs, seed=2, steps=999)
    message = r"runs of erm with convnext_base on cifar100-lt.* are of 2: choose with --protocol"
    with pytest.raises(UsageError, match=message):
        losses(data(runs), "convnext_base", "exp", ["accuracy"])
    assert losses(data(runs), "resnetv2_50", "exp", ["accuracy"]), "the other model has one"
    hashes = set(load_runs(runs).table.query("seed == 2")["protocol_hash"])
    chosen = FigureData(select_runs(load_runs(runs), (), (), tuple(hashes)))
    (one,) = losses(chosen, "convnext_base", "exp", ["accuracy"])
    assert one.grid.body[0][1] == "1"


def test_what_is_not_there_is_one_sentence(runs: Path) -> None:
    with pytest.raises(UsageError, match="backbone 'convnext_bas'; did you mean 'convnext_base'"):
        losses(data(runs), "convnext_bas", "", ["accuracy"])
    with pytest.raises(UsageError, match="profile 'step'"):
        losses(data(runs), "", "step", ["accuracy"])
    with pytest.raises(UsageError, match="measure 'acuracy'; did you mean 'accuracy'"):
        losses(data(runs), "", "", ["acuracy"])
