"""Each stage against NumPy code written from its paper."""

from __future__ import annotations

from dataclasses import replace
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


@pytest.mark.parametrize("tau", [0.0, 1.0, 1.2, 2.0])
def test_a_weight_of_length_zero_stays_zero(tau: float) -> None:
    """As that of a class without training images after ``linear-probe``."""
    weight = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    expected = weight / torch.tensor([[5.0**tau], [1.0]])
    torch.testing.assert_close(normalised(weight, tau), expected)


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


def test_weight_balancing_projects_into_a_ball_of_radius_zero() -> None:
    """It has that where the smallest weight vector, a class's without training images, is 0."""
    base = trained()
    with torch.no_grad():
        base.classifier.weight[3] = 0
    stage = build_stage("weight-balancing[threshold=0]", base)
    stage.project()
    assert stage.classifier.weight.equal(torch.zeros(4, 32))


def test_weight_balancing_projects_once_an_epoch_and_at_the_end() -> None:
    base = trained()
    stage = build_stage("weight-balancing[decay=0,threshold=0]", base)
    assert stage.train_info.steps_per_epoch == 5
    projected = []
    stage.project = lambda: projected.append(stage.done + 1)
    batch, stage.train_info = random_batch(base.train_info), replace(stage.train_info, steps=12)
    take_steps(stage, [batch] * 12)
    assert projected == [5, 10, 12]


def test_weight_balancings_binary_loss_is_that_of_its_authors_code() -> None:
    """The mean over images × classes of w·BCE(softmax), as utils/class_balanced_loss.py has it."""
    counts = [[500, 100, 20, 5]]
    base = build_algorithm("erm", train_info(counts))
    stage = build_stage("weight-balancing[loss=binary]", base)
    batch = random_batch(base.train_info)
    z = np.random.default_rng(0).normal(size=(len(batch), 4))
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    t = np.eye(4)[batch.y]
    w = 1e-4 / (1 - 0.9999 ** np.array(counts[0]))
    w = (w / w.sum() * 4)[batch.y][:, None]
    expected = -(w * (t * np.log(p) + (1 - t) * np.log(1 - p))).mean()
    assert float(stage.risks(torch.tensor(z), batch)) == pytest.approx(expected, rel=1e-6)


def test_a_decay_of_ten_beside_cross_entropy_is_a_tenth_beside_the_authors_loss() -> None:
    """On 100 classes and weights of mean 1: the ratio of the losses' gradients is about 100."""
    classes = 100
    base = build_algorithm("erm", train_info([[50] * classes]))
    y = torch.arange(classes)
    batch = Batch(torch.zeros(classes, 3, 12, 12), y, torch.zeros(classes, dtype=torch.int64))
    gradients = []
    for loss in ("binary", "cross-entropy"):
        logits = torch.zeros(classes, classes, dtype=torch.float64, requires_grad=True)
        stage = build_stage(f"weight-balancing[loss={loss}]", base)
        stage.risks(logits, batch).sum().backward()
        assert logits.grad is not None
        gradients.append(logits.grad.norm())
    assert 0.08 * classes < float(0.1 * gradients[1] / gradients[0]) < 0.11 * classes
    assert 8 <= stage.hparams.decay <= 11


@pytest.mark.parametrize("name", ["crt", "lws", "weight-balancing"])
@pytest.mark.parametrize("shift", [True, False])
def test_batch_normalisation_follows_the_batches_if_asked(name: str, shift: bool) -> None:
    base = trained()
    stage = build_stage(f"{name}[shift_bn={str(shift).lower()}]", base).train()
    norms = [m for m in base.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert {m.training for m in norms} == {shift}
    assert not base.training
    before = {key: value.clone() for key, value in base.state_dict().items()}
    take_steps(stage, [random_batch(base.train_info, seed=seed) for seed in range(3)])
    changed = {key for key, value in base.state_dict().items() if not value.equal(before[key])}
    assert bool(changed) == shift
    assert all("running" in key or "num_batches" in key for key in changed)
    assert not any(m.training for m in stage.eval().modules())


def test_a_classifier_that_is_not_linear_is_refused_by_name() -> None:
    base = trained()
    base.classifier = nn.Sequential(nn.Linear(32, 8), nn.ReLU(), nn.Linear(8, 4))
    for stage in ("tau-norm", "mislas", "weight-balancing"):
        with pytest.raises(UsageError, match="ERM has no classifier that is linear"):
            build_stage(stage, base)
    for stage in ("crt", "lws", "posthoc-la"):
        build_stage(stage, base)
