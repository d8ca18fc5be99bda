"""Each stage against NumPy code written from its paper."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from ltbench_stages.mislas import smoothing_factors
from ltbench_stages.tau_norm import domain_average, normalised
from numpy.typing import NDArray
from sklearn.metrics import f1_score
from torch import nn

from ltbench.api import Algorithm, Batch, UsageError
from ltbench.testing import (
    SmallTraining,
    build_algorithm,
    build_stage,
    random_batch,
    take_steps,
    train_info,
)

COUNTS = [[12, 6, 3, 0], [1, 3, 5, 8], [9, 2, 4, 1]]
EXACT = {"rtol": 1e-5, "atol": 1e-6}


def trained(name: str = "erm") -> Algorithm:
    model = build_algorithm(name, train_info(COUNTS))
    take_steps(model, [random_batch(model.train_info, seed=seed) for seed in range(5)])
    return model.eval()


@torch.no_grad()
def answers(model: Algorithm, batch: Batch) -> NDArray[Any]:
    model.eval()
    return model.predict(batch.x).double().numpy()


def test_crt_trains_a_fresh_classifier_on_frozen_features() -> None:
    base = trained()
    stage = build_stage("crt", base)
    batch = random_batch(base.train_info)
    features = stage.features(batch.x)
    take_steps(stage, [batch] * 3)
    assert stage.sampling == "class-balanced"
    assert stage.features(batch.x).equal(features)
    assert not features.requires_grad
    moving = {key for key, p in stage.named_parameters() if p.requires_grad}
    assert moving == {"classifier.weight", "classifier.bias"}
    assert not stage.classifier.weight.equal(base.classifier.weight)


def test_lws_scales_the_logits_and_starts_from_them() -> None:
    base = trained()
    stage = build_stage("lws", base)
    batch = random_batch(base.train_info)
    np.testing.assert_array_equal(answers(stage, batch), answers(base, batch))
    take_steps(stage, [batch] * 3)
    scales = stage.scales.detach().double().numpy()
    assert not np.allclose(scales, 1)
    np.testing.assert_allclose(answers(stage, batch), scales * answers(base, batch), **EXACT)
    assert [key for key, p in stage.named_parameters() if p.requires_grad] == ["scales"]


def test_posthoc_la_subtracts_the_log_prior() -> None:
    base = trained()
    batch = random_batch(base.train_info)
    pooled = np.array(COUNTS).sum(0)
    expected = answers(base, batch) - 1.5 * np.log(pooled / pooled.sum())
    found = answers(build_stage("posthoc-la[tau=1.5]", base), batch)
    np.testing.assert_allclose(found, expected, **EXACT)
    unchanged = answers(build_stage("posthoc-la[tau=0]", base), batch)
    np.testing.assert_array_equal(unchanged, answers(base, batch))


def test_posthoc_la_keeps_the_logit_of_a_class_without_training_images_finite() -> None:
    base = build_algorithm("erm", train_info([[12, 6, 0]]))
    stage = build_stage("posthoc-la", base)
    batch = random_batch(base.train_info)
    shift = answers(stage, batch) - answers(base, batch)
    np.testing.assert_allclose(shift, -np.log(np.array([[12, 6, 1]] * 4) / 19), **EXACT)


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
def test_tau_norm_divides_by_the_norm_to_the_tau(tau: float) -> None:
    base = trained()
    batch = random_batch(base.train_info)
    stage = build_stage(f"tau-norm[lowest={tau},highest={tau},points=1]", base)
    stage.before_step(0, SmallTraining(stage, batch))
    w = base.classifier.weight.detach().double().numpy()
    f = base.features(batch.x).detach().double().numpy()
    expected = [[row @ w_c / np.linalg.norm(w_c) ** tau for w_c in w] for row in f]
    np.testing.assert_allclose(answers(stage, batch), expected, **EXACT)


@pytest.mark.parametrize("metric", ["f1", "accuracy"])
def test_tau_norm_chooses_the_best_tau_on_validation(metric: str) -> None:
    base = trained()
    with torch.no_grad():  # norms that matter
        base.classifier.weight.mul_(torch.tensor([[4.0], [2.0], [1.0], [0.5]]))
    batch = random_batch(train_info(COUNTS, batch_per_domain=20))
    stage = build_stage(f"tau-norm[select={metric},points=5]", base)
    stage.before_step(0, SmallTraining(stage, batch))
    f = base.features(batch.x).detach()
    scores = []
    for tau in (0.0, 0.5, 1.0, 1.5, 2.0):
        guess = (f @ normalised(base.classifier.weight.detach(), tau).T).argmax(1).numpy()
        per_domain = []
        for d in range(3):
            here = batch.d.numpy() == d
            y = batch.y.numpy()[here]
            if metric == "accuracy":
                per_domain.append(np.mean(guess[here] == y))
            else:
                per_domain.append(f1_score(y, guess[here], labels=np.unique(y), average="macro"))
        scores.append(np.mean(per_domain))
    assert float(stage.tau) == (0.0, 0.5, 1.0, 1.5, 2.0)[int(np.argmax(scores))]
    guess = stage.predict(batch.x).argmax(1)
    found = domain_average(guess, batch.y, batch.d, 4, metric)
    assert found == pytest.approx(max(scores))


def test_smoothing_follows_the_concave_form() -> None:
    found = smoothing_factors(torch.tensor([[100, 40, 10, 0], [7, 7, 7, 7]]), 0.4, 0.1).numpy()
    middle = 0.1 + 0.3 * np.sin(np.pi / 2 * (40 - 10) / (100 - 10))
    np.testing.assert_allclose(found[0], [0.4, middle, 0.1, 0.1], **EXACT)
    np.testing.assert_allclose(found[1], [0.1] * 4, **EXACT)


def test_mislas_smooths_targets_by_the_class() -> None:
    base = trained("input-mixup")
    stage = build_stage("mislas", base)
    batch = random_batch(base.train_info)
    z = np.random.default_rng(0).normal(size=(12, 4))
    epsilon = smoothing_factors(torch.tensor(COUNTS), 0.4, 0.1).numpy()
    losses = []
    for row, y, d in zip(z, batch.y, batch.d, strict=True):
        log_p = row - np.log(np.exp(row).sum())
        target = np.full(4, epsilon[d, y] / 3)
        target[y] = 1 - epsilon[d, y]
        losses.append(-(target * log_p).sum())
    found = stage.risks(torch.tensor(z), batch).numpy()
    np.testing.assert_allclose(found, np.reshape(losses, (3, 4)).mean(1), **EXACT)


@pytest.mark.parametrize("algorithm", ["erm", "ldam", "balpoe[shared=true]"])
def test_mislas_starts_from_the_chosen_classifier(algorithm: str) -> None:
    base = trained(algorithm)
    stage = build_stage("mislas", base)
    assert torch.allclose(stage.classifier.weight, base.class_weights())
    if algorithm != "balpoe[shared=true]":  # whose experts have a bias each
        batch = random_batch(base.train_info)
        np.testing.assert_allclose(answers(stage, batch), answers(base, batch), **EXACT)


@pytest.mark.parametrize("shift", [True, False])
def test_mislas_lets_batch_normalisation_alone_adapt(shift: bool) -> None:
    base = trained()
    stage = build_stage(f"mislas[shift_bn={str(shift).lower()}]", base)
    before = {key: value.clone() for key, value in base.state_dict().items()}
    take_steps(stage, [random_batch(base.train_info, seed=seed) for seed in range(3)])
    changed = {key for key, value in base.state_dict().items() if not value.equal(before[key])}
    statistics = {key for key in before if "running" in key or "num_batches" in key}
    assert changed == (statistics if shift else set())


def test_weight_balancing_weighs_decays_and_projects() -> None:
    base = trained()
    stage = build_stage("weight-balancing[decay=0.2,threshold=0.25,projection=1]", base)
    norms = base.classifier.weight.norm(dim=1)
    radius = float(norms.min() + 0.25 * (norms.max() - norms.min()))
    batch = random_batch(base.train_info)
    w = stage.classifier.weight.detach().double().numpy()
    z = answers(stage.train(), batch)
    table = []
    for row in COUNTS:
        raw = [1e-4 / (1 - 0.9999**n) if n else 0.0 for n in row]
        table.append(raw)
    per_domain = []
    for d in range(3):
        rows = np.flatnonzero(batch.d.numpy() == d)
        weights = [table[d][batch.y[i]] for i in rows]
        losses = [np.log(np.exp(z[i]).sum()) - z[i][batch.y[i]] for i in rows]
        per_domain.append(np.average(losses, weights=weights))
    expected = np.mean(per_domain) + 0.1 * (w**2).sum()
    assert stage.loss(batch)["total"].item() == pytest.approx(expected, rel=1e-5)
    take_steps(stage, [batch] * 3)
    assert stage.classifier.weight.norm(dim=1).max().item() <= radius * (1 + 1e-5)


def test_a_classifier_that_is_not_linear_is_refused_by_name() -> None:
    base = trained()
    base.classifier = nn.Sequential(nn.Linear(32, 8), nn.ReLU(), nn.Linear(8, 4))
    for stage in ("tau-norm", "mislas", "weight-balancing"):
        with pytest.raises(UsageError, match="ERM has no classifier that is linear"):
            build_stage(stage, base)
    for stage in ("crt", "lws", "posthoc-la"):
        build_stage(stage, base)
