from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_baselines.erm import ERM
from ltbench_domains.irm import IRM


def slope(logits, y):
    """d/ds of the mean cross-entropy of s·z at s = 1: mean of Σ_c p_c·z_c − z_y."""
    z = np.asarray(logits)
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return np.mean((p * z).sum(1) - z[np.arange(len(z)), np.asarray(y)])


def expected_penalty(logits, batch):
    values = []
    for d in range(3):
        z, y = logits[batch.d == d], batch.y[batch.d == d]
        values.append(slope(z[::2], y[::2]) * slope(z[1::2], y[1::2]))
    return values


def test_penalty_is_the_product_of_the_analytic_slopes(tiny):
    batch, model = tiny.batch(), tiny.algorithm(IRM)
    logits = model.predict(batch.x).detach()
    ours = model.penalty(logits, batch).detach().numpy()
    np.testing.assert_allclose(ours, expected_penalty(logits.numpy(), batch), atol=1e-10)


def test_the_penalty_has_the_gradient_of_its_value(tiny):
    batch, model = tiny.batch(), tiny.algorithm(IRM)
    weight = model.classifier.weight
    model.penalty(model.predict(batch.x), batch).mean().backward()
    gradient = weight.grad.clone()
    step = 1e-6
    for i, j in [(0, 0), (2, 3), (4, 1)]:
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[i, j] += sign * step
                logits = model.predict(batch.x).numpy()
                weight[i, j] -= sign * step
            values.append(np.mean(expected_penalty(logits, batch)))
        assert float(gradient[i, j]) == pytest.approx((values[0] - values[1]) / 2 / step, abs=1e-7)


def test_weight_is_one_before_the_switch_and_lambda_after(tiny, cross_entropies):
    batch, model = tiny.batch(), tiny.ready(tiny.algorithm(IRM))
    logits = model.predict(batch.x).detach().numpy()
    risk = cross_entropies(logits, batch.y).mean()
    penalty = np.mean(expected_penalty(logits, batch))
    for step, weight in [(0, 1), (499, 1), (500, 100), (5000, 100)]:
        model.before_step(step, tiny.training)
        total = float(model.loss(batch)["total"].detach())
        assert total == pytest.approx(risk + weight * penalty, abs=1e-9)


def test_a_training_that_ends_before_the_switch_keeps_the_small_weight(tiny):
    assert tiny.algorithm(IRM, steps=300).switch == 500


def test_the_optimiser_starts_anew_at_the_switch_alone(tiny):
    model = tiny.ready(tiny.algorithm(IRM, anneal=5), tiny.adam)
    for step in range(8):
        before = model.optimizers["main"]
        model.before_step(step, tiny.training)
        assert (model.optimizers["main"] is before) == (step != 5)
        model.step(tiny.batch(seed=step))
        taken = {int(state["step"]) for state in model.optimizers["main"].state.values()}
        assert taken == {step + 1 if step < 5 else step - 4}


def test_without_weight_it_is_erm(tiny):
    batch, model = tiny.batch(), tiny.ready(tiny.algorithm(IRM, weight=0))
    torch.testing.assert_close(model.loss(batch)["total"], tiny.algorithm(ERM).loss(batch))


def test_one_image_a_domain_stands_in_both_halves(tiny):
    batch, model = tiny.batch(images=1), tiny.algorithm(IRM)
    logits = model.predict(batch.x).detach()
    expected = [slope(logits[k : k + 1].numpy(), batch.y[k : k + 1]) ** 2 for k in range(3)]
    np.testing.assert_allclose(model.penalty(logits, batch).detach(), expected, atol=1e-10)
