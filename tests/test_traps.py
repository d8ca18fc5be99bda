"""Traps of published implementations: each is avoided, and its check notices when it is put in.

Every check is run twice, as the suite is and with the trap put in by a patch; the second must fail.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ltbench_datasets.folder_layout as layout_module
import ltbench_longtail.cbloss as cbloss_module
import numpy as np
import pandas as pd
import pytest
import torch
from ltbench_longtail.ldam import LDAM
from ltbench_mdlt.boda import BoDA
from PIL import Image
from scipy import stats
from sklearn.metrics import confusion_matrix as sklearn_confusion
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.nn import functional as F

import ltbench.evaluation.metrics as metrics_module
import ltbench.stats.intervals as intervals_module
import ltbench.training.checkpoint as checkpoint_module
import ltbench.training.model as model_module
from ltbench.api import Algorithm, Batch, Predictions, UsageError
from ltbench.data.catalogue import open_dataset
from ltbench.evaluation.compute import compute_metrics
from ltbench.models.weights import load_weights
from ltbench.plugins.names import Name
from ltbench.results.protocol import SELECTION
from ltbench.testing import (
    SmallBackbone,
    SmallDataset,
    build_algorithm,
    random_batch,
    train_info,
)
from ltbench.testing.small_run import check_same, plan_small, run_small

Patch = pytest.MonkeyPatch


def predictions(y: list[int], guess: list[int], counts: list[list[int]]) -> Predictions:
    return Predictions(
        y=np.array(y),
        d=np.zeros(len(y), dtype=np.int64),
        prediction=np.array(guess),
        confidence=np.full(len(y), 0.5),
        nll=np.ones(len(y)),
        counts=np.array(counts),
        many=100,
        few=20,
    )


# Seeds reset inside the data set's constructor: runs of all seeds share their initial weights.


def check_seeds_give_their_own_weights(folder: Path) -> None:
    weights = {}
    for seed in (0, 1):
        spec = plan_small("erm", seed=seed)
        dataset, split = open_dataset(Name(spec.dataset.name), folder)
        builder = model_module.ModelBuilder(spec, dataset.facts, split, torch.device("cpu"))
        weights[seed] = builder.algorithm().backbone.layers[0].weight
    assert not weights[0].equal(weights[1])


def reset_seeds_in_the_constructor(patch: Patch) -> None:
    def constructor(self: SmallDataset, *arguments: Any) -> None:
        super(SmallDataset, self).__init__(*arguments)
        torch.manual_seed(0)
        np.random.seed(0)

    patch.setattr(SmallDataset, "__init__", constructor)


def reset_seeds_and_rely_on_the_global_one(patch: Patch) -> None:
    reset_seeds_in_the_constructor(patch)
    patch.setattr(model_module, "seed_torch", lambda seed, *purpose: None)


def test_a_data_set_that_resets_seeds_does_no_harm(monkeypatch: Patch, tmp_path: Path) -> None:
    reset_seeds_in_the_constructor(monkeypatch)
    check_seeds_give_their_own_weights(tmp_path)


# Stage 2 always loads stage 1 of seed 0.


def check_stage_two_stands_on_its_own_seed(folder: Path) -> None:
    first = run_small("erm", folder / "first", seed=1)
    second = run_small("erm+crt", folder / "second", seed=1)
    for key, value in first.model.items():
        assert second.model[f"base.{key}"].equal(value), key


def load_stage_one_of_seed_zero(patch: Patch) -> None:
    stage = model_module.ModelBuilder.stage

    def trapped(self: Any, index: int, base: Algorithm) -> Algorithm:
        torch.manual_seed(0)
        base.backbone.layers[0].reset_parameters()
        return stage(self, index, base)

    patch.setattr(model_module.ModelBuilder, "stage", trapped)


# Loading with strict=False that silently loads nothing.


def check_weights_of_another_network_are_refused(folder: Path) -> None:
    state = SmallBackbone((3, 12, 12)).state_dict()
    torch.save({f"encoder.{key}": value for key, value in state.items()}, folder / "other.pt")
    with pytest.raises(UsageError, match="does not hold the weights of this backbone"):
        load_weights(SmallBackbone((3, 12, 12)), folder / "other.pt")
    algorithm = build_algorithm("erm", train_info())
    with pytest.raises(RuntimeError, match="Missing key"):
        algorithm.load_state_dict({})


def load_whatever_fits(patch: Patch) -> None:
    load = nn.Module.load_state_dict

    def trapped(self: nn.Module, state: Any, strict: bool = True, assign: bool = False) -> Any:
        load(self, state, strict=False, assign=assign)
        return (), ()

    patch.setattr(nn.Module, "load_state_dict", trapped)


# Empty shot buckets stored as −1 and averaged.


def check_empty_buckets_are_missing(folder: Path) -> None:
    found = compute_metrics(predictions([0, 0, 1], [0, 1, 1], [[500, 200]]))
    assert found["accuracy_many"] == pytest.approx((1 / 2 + 1) / 2)
    assert found["accuracy_many_pooled"] == pytest.approx(2 / 3)
    for bucket in ("medium", "few", "zero"):
        assert found[f"accuracy_{bucket}"] is None


def store_minus_one(patch: Patch) -> None:
    shots = metrics_module.shots

    def trapped(p: Predictions) -> Any:
        return {name: -1.0 if value is None else value for name, value in shots(p).items()}

    patch.setattr(metrics_module, "shots", trapped)


# Confusion matrices without fixed labels: a class absent from test shifts the rest.


def check_confusion_has_fixed_labels(folder: Path) -> None:
    found = metrics_module.confusion_matrix(predictions([0, 2, 2], [0, 2, 0], [[5, 5, 5, 5]]))
    expected = np.zeros((4, 4), dtype=int)
    expected[0, 0] = expected[2, 2] = expected[2, 0] = 1
    assert np.array_equal(found, expected)


def confusion_of_present_labels(patch: Patch) -> None:
    trapped = lambda p: sklearn_confusion(p.y, p.prediction)  # noqa: E731
    patch.setattr(metrics_module, "confusion_matrix", trapped)


# BoDA: NaN without positives, an exponential that under- or overflows, a step counter not saved.


def boda_with_centroids() -> BoDA:
    algorithm = build_algorithm("boda", train_info([[5, 5, 0], [5, 0, 5]]))
    assert isinstance(algorithm, BoDA)
    algorithm.centroids.copy_(torch.randn(6, 32, generator=torch.Generator().manual_seed(0)))
    algorithm.refreshes += 1
    return algorithm


def check_boda_without_positives_is_zero(folder: Path) -> None:
    algorithm = boda_with_centroids()
    # Class 1 is in the first domain alone.
    loss = algorithm.alignment(torch.ones(4, 32), torch.full((4,), 1), torch.zeros(4).long())
    assert loss.item() == 0


def check_boda_is_stable(folder: Path) -> None:
    algorithm = boda_with_centroids()
    features = torch.full((4, 32), 1e4, requires_grad=True)
    loss = algorithm.alignment(features, torch.zeros(4).long(), torch.zeros(4).long())
    loss.backward()
    assert math.isfinite(loss.item())
    assert features.grad is not None
    assert bool(features.grad.isfinite().all())


def naive_alignment(self: BoDA, features: Tensor, y: Tensor, d: Tensor) -> Tensor:
    """The equation as it stands, on the flat pairs."""
    counts = self.counts.view(-1)
    classes = self.train_info.num_classes
    own = d * classes + y
    pair = torch.arange(len(counts))
    n = counts[own][:, None]
    scale = (counts / n) ** self.hparams.nu / n
    similar = torch.exp(-torch.cdist(features, self.centroids) * scale) * (counts > 0)
    others = (similar * (pair != own[:, None])).sum(1, keepdim=True)
    positive = (pair % classes == y[:, None]) & (pair != own[:, None]) & (counts > 0)
    return -torch.log(similar / others)[positive].mean()


def boda_as_it_stands(patch: Patch) -> None:
    patch.setattr(BoDA, "alignment", naive_alignment)


def check_boda_resumes_its_schedule(folder: Path) -> None:
    name = "boda[start=1,update=2]"
    whole = run_small(name, folder / "whole")
    resumed = run_small(name, folder / "resumed", stops=(3,))
    check_same(whole, resumed, "boda")


def count_steps_in_an_attribute(patch: Patch) -> None:
    before_step = BoDA.before_step

    def trapped(self: BoDA, step: int, training: Any) -> None:
        self.own_step = getattr(self, "own_step", -1) + 1
        before_step(self, self.own_step, training)

    patch.setattr(BoDA, "before_step", trapped)


# Class-balanced loss: the weight of a pair with 4455 images is 0, as 1 − β^n rounds to 1.


def check_large_pairs_keep_their_weight(folder: Path) -> None:
    weights = build_algorithm("cbloss[beta=0.99]", train_info([[4455, 10, 0]])).weights[0]
    raw = [0.01 / (1 - 0.99**n) for n in (4455, 10)]
    expected = [2 * value / sum(raw) for value in raw]
    assert weights.tolist() == pytest.approx([*expected, 0.0], rel=1e-6)


def take_one_for_absent(patch: Patch) -> None:
    def trapped(counts: Tensor, beta: float) -> Tensor:
        effective = 1.0 - np.power(beta, counts.numpy())
        effective[effective == 1] = np.inf
        weights = (1.0 - beta) / np.where(effective == 0, np.inf, effective)
        return torch.tensor(weights / weights.sum() * (counts > 0).sum().item()).float()

    patch.setattr(cbloss_module, "effective_weights", trapped)


# LDAM with a uint8 mask, which newer versions of torch warn of and will refuse.


def check_ldam_needs_no_uint8_mask(folder: Path) -> None:
    algorithm = build_algorithm("ldam", train_info())
    batch = random_batch(algorithm.train_info)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        algorithm.risks(torch.zeros(len(batch), 5), batch)


def mask_with_uint8(patch: Patch) -> None:
    def trapped(self: LDAM, logits: Tensor, batch: Batch) -> Tensor:
        index = torch.zeros_like(logits, dtype=torch.uint8)
        index.scatter_(1, batch.y[:, None], 1)
        margin = self.hparams.s * self.margins[batch.d, batch.y][:, None]
        nll = F.cross_entropy(torch.where(index, logits - margin, logits), batch.y)
        return nll.expand(batch.num_domains)

    patch.setattr(LDAM, "risks", trapped)


# F1 computed nowhere although models are selected on it.


def check_models_are_selected_on_f1(folder: Path) -> None:
    outcome = run_small("erm", folder)
    y, d = outcome.predictions["class"], outcome.predictions["domain"]
    guess = outcome.predictions["prediction"]
    by_domain = [
        f1_score(y[d == k], guess[d == k], labels=np.unique(y[d == k]), average="macro")
        for k in np.unique(d)
    ]
    assert outcome.test["macro_f1_average"] == pytest.approx(np.mean(by_domain))
    assert outcome.test["macro_f1_worst"] == pytest.approx(np.min(by_domain))
    assert outcome.spec.protocol.selection_metric == "macro_f1_average"


def select_on_accuracy(patch: Patch) -> None:
    patch.setitem(SELECTION, "f1", "accuracy_average")


# Standard errors from the population's standard deviation (ddof 0).


def check_intervals_use_the_sample_deviation(folder: Path) -> None:
    values = np.array([0.61, 0.66, 0.58, 0.70, 0.63])
    low, high = stats.t.interval(0.95, 4, values.mean(), stats.sem(values, ddof=1))
    assert intervals_module.half_width(values) == pytest.approx((high - low) / 2)
    table = intervals_module.summarise(
        pd.DataFrame({"label": "erm", "metric": "accuracy", "value": values})
    )
    assert table["half_width"].item() == pytest.approx((high - low) / 2)


def deviate_by_the_population(patch: Patch) -> None:
    half_width = intervals_module.half_width

    def trapped(values: Any, confidence: float = 0.95) -> float:
        return half_width(values, confidence) * math.sqrt((len(values) - 1) / len(values))

    patch.setattr(intervals_module, "half_width", trapped)


# torch.load without weights_only, which runs whatever code a file holds.


class Payload:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def check_files_run_no_code(folder: Path) -> None:
    mark, file = folder / "ran", folder / "checkpoint.pt"
    torch.save({"model": Payload(mark)}, file)
    backbone = SmallBackbone((3, 12, 12))
    readers = (checkpoint_module.load_checkpoint, checkpoint_module.load_best)
    for read in (*readers, lambda path: load_weights(backbone, path)):
        with contextlib.suppress(Exception):
            read(file)
        assert not mark.exists()


def load_anything(patch: Patch) -> None:
    load = torch.load

    def trapped(*arguments: Any, weights_only: bool = True, **options: Any) -> Any:
        return load(*arguments, weights_only=False, **options)

    patch.setattr(torch, "load", trapped)


# Any sub-directory taken for a domain.


def check_only_folders_of_images_are_domains(folder: Path) -> None:
    for place in ("photo/cat", "photo/dog", "sketch/cat", "sketch/dog", ".thumbnails/cat"):
        (folder / place).mkdir(parents=True)
        for i in range(6):
            Image.new("RGB", (16, 16), (10 * i, 0, 0)).save(folder / place / f"{i}.png")
    (folder / "splits").mkdir()
    (folder / "splits" / "official.csv").write_text("env,label,path,split\n")
    (folder / "empty" / "cat").mkdir(parents=True)
    dataset, split = open_dataset(Name("image-folder", {"root": str(folder)}), folder)
    assert dataset.facts.domains == ("photo", "sketch")
    assert split.shape == (2, 2)


def walk_into_everything(patch: Patch) -> None:
    def every_folder(root: Path) -> Iterator[tuple[tuple[str, ...], list[str]]]:
        for folder in root.rglob("*/"):
            if names := sorted(path.name for path in folder.glob("*.png")):
                yield folder.relative_to(root).parts, names

    patch.setattr(layout_module, "_folders", every_folder)


TRAPS = {
    "seeds-reset": (check_seeds_give_their_own_weights, reset_seeds_and_rely_on_the_global_one),
    "stage-one-of-seed-zero": (check_stage_two_stands_on_its_own_seed, load_stage_one_of_seed_zero),
    "loads-nothing": (check_weights_of_another_network_are_refused, load_whatever_fits),
    "empty-buckets": (check_empty_buckets_are_missing, store_minus_one),
    "confusion-labels": (check_confusion_has_fixed_labels, confusion_of_present_labels),
    "boda-without-positives": (check_boda_without_positives_is_zero, boda_as_it_stands),
    "boda-unstable": (check_boda_is_stable, boda_as_it_stands),
    "boda-counter": (check_boda_resumes_its_schedule, count_steps_in_an_attribute),
    "class-balanced-zero": (check_large_pairs_keep_their_weight, take_one_for_absent),
    "ldam-uint8": (check_ldam_needs_no_uint8_mask, mask_with_uint8),
    "no-f1": (check_models_are_selected_on_f1, select_on_accuracy),
    "ddof-zero": (check_intervals_use_the_sample_deviation, deviate_by_the_population),
    "runs-code": (check_files_run_no_code, load_anything),
    "any-folder-a-domain": (check_only_folders_of_images_are_domains, walk_into_everything),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_trap_is_avoided(trap: str, tmp_path: Path) -> None:
    check, _ = TRAPS[trap]
    check(tmp_path)


@pytest.mark.parametrize("trap", TRAPS)
def test_trap_is_noticed(trap: str, tmp_path: Path, monkeypatch: Patch) -> None:
    check, put_in = TRAPS[trap]
    put_in(monkeypatch)
    with pytest.raises((AssertionError, UserWarning, pytest.fail.Exception)):
        check(tmp_path)
