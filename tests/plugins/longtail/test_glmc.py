"""GLMC, against NumPy code written from its paper, and its limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ltbench.testing import SmallTraining, build_algorithm, random_batch_for, train_info
from ltbench.testing.small_run import check_same, run_small

COUNTS = [[12, 6, 3, 0], [1, 3, 5, 8], [9, 2, 4, 1]]


def log_softmax(z: NDArray[Any]) -> NDArray[Any]:
    shifted = z - z.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def cosine(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize("step", [0, 2, 4])
def test_the_loss_with_mixed_labels_in_numpy(step: int) -> None:
    info = train_info(COUNTS, steps=5)
    model: Any = build_algorithm("glmc[weight=3,power=1.2,mixing=0.7]", info)
    model.eval()  # statistics of normalisation that do not depend on what was asked before
    batch = random_batch_for(model, seed=step)
    second = batch.second
    model.before_step(step, SmallTraining(model, batch))
    model.generator.manual_seed(step)
    found = {key: value.item() for key, value in model.loss(batch).items()}

    model.generator.manual_seed(step)
    share = model.draw_share()
    lam = share.item()
    mixed = share * batch.views[0] + (1 - share) * second.views[0]
    cut = model.cut_and_mix(batch.views[1], second.views[1], share)
    n = np.array(COUNTS, dtype=float)
    inverse = np.where(n > 0, np.maximum(n, 1) ** -1.2, 0)
    weights = inverse / inverse.sum(1, keepdims=True) * (n > 0).sum(1, keepdims=True)
    own, other = np.eye(4)[batch.y], np.eye(4)[second.y]
    labels = lam * own + (1 - lam) * other
    weighted = weights[batch.d] * labels
    plain = rebalanced = 0.0
    z, p = [], []
    with torch.no_grad():
        for x in (mixed, cut):
            features = model.features(x)
            plain -= (log_softmax(model.plain(features).numpy()) * labels).sum(1).mean()
            logits = model.classifier(features).numpy()
            rebalanced -= (log_softmax(logits) * weighted).sum(1).mean()
            z.append(model.projection(features))
            p.append(model.prediction(z[-1]).numpy())
    consistency = -cosine(p[0], z[1].numpy()).mean() - cosine(p[1], z[0].numpy()).mean()
    a = 1 - (step / 5) ** 2
    assert found["ce"] == pytest.approx(plain, rel=1e-5)
    assert found["reweighted"] == pytest.approx(rebalanced, rel=1e-5)
    assert found["consistency"] == pytest.approx(consistency, rel=1e-5)
    total = a * plain + (1 - a) * rebalanced + 3 * consistency
    assert found["total"] == pytest.approx(total, rel=1e-5)


def test_without_mixing_it_is_erm_at_first_and_weighted_cross_entropy_in_the_end() -> None:
    info = train_info(COUNTS, steps=5)
    model: Any = build_algorithm("glmc[mixing=0,weight=0]", info)
    batch = random_batch_for(model)
    batch = replace(batch, views=(batch.x, batch.x))
    erm = build_algorithm("erm", info)
    erm.backbone.load_state_dict(model.backbone.state_dict())
    erm.classifier.load_state_dict(model.plain.state_dict())
    model.before_step(0, SmallTraining(model, batch))
    expected = erm.loss(batch).item()
    assert model.loss(batch)["total"].item() == pytest.approx(2 * expected, rel=1e-5)
    model.before_step(5, SmallTraining(model, batch))
    model.plain.weight.data.zero_()
    logits = model.predict(batch.x)
    sums = model.weights[batch.d, batch.y] * model.cross_entropy(logits, batch.y)
    assert model.loss(batch)["total"].item() == pytest.approx(2 * sums.mean().item(), rel=1e-5)


def test_projections_are_normalised_where_the_network_normalises_with_fixed_statistics() -> None:
    info = train_info()
    frozen = replace(info, freeze_bn=True)
    plain, normalised = (build_algorithm("glmc", given).projection for given in (info, frozen))
    assert isinstance(plain, torch.nn.Linear)
    assert isinstance(normalised[1], torch.nn.BatchNorm1d)
    never = build_algorithm("glmc[normalise=never]", frozen).projection
    assert isinstance(never, torch.nn.Linear)


def test_what_is_mixed_in_is_of_the_same_domain() -> None:
    model: Any = build_algorithm("glmc", train_info(COUNTS))
    batch = random_batch_for(model)
    assert batch.second.d.equal(batch.d)
    assert model.second_sampling == "class-balanced"
    other: Any = build_algorithm("glmc[second=uniform]", train_info(COUNTS))
    assert other.second_sampling == "uniform"


def test_the_rectangle_has_the_area_and_is_pasted_at_the_same_place() -> None:
    model: Any = build_algorithm("glmc", train_info(COUNTS))
    x, others = torch.zeros(3, 1, 32, 32), torch.ones(3, 1, 32, 32)
    areas = []
    for seed in range(200):
        model.generator.manual_seed(seed)
        found = model.cut_and_mix(x, others, torch.tensor(0.75))
        assert bool((found == found[:1]).all())
        rows, columns = found[0, 0].amax(1).sum(), found[0, 0].amax(0).sum()
        assert rows * columns == found[0].sum()  # one rectangle
        assert max(rows, columns) <= 16
        areas.append(int(found[0].sum()))
    assert max(areas) == 16 * 16  # a quarter of the image, where nothing sticks out
    assert model.cut_and_mix(x, others, torch.ones(())).sum() == 0


def test_projections_get_gradients_from_predictions_alone() -> None:
    model: Any = build_algorithm("glmc", train_info(COUNTS))
    model.loss(random_batch_for(model))["consistency"].backward()
    for module in (model.backbone, model.projection, model.prediction):
        assert any(p.grad is not None and bool(p.grad.any()) for p in module.parameters())
    assert model.plain.weight.grad is None
    assert model.classifier.weight.grad is None


@pytest.mark.parametrize("name", ["glmc@ema+crt", "glmc@sam"])
def test_it_is_resumed_bit_for_bit_beneath_modifiers_and_stages(name: str, tmp_path: Path) -> None:
    whole = run_small(name, tmp_path / "whole")
    check_same(whole, run_small(name, tmp_path / "resumed", stops=(2, 5)), name)
