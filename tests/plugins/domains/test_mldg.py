from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_domains.episodes import shuffled_domains
from ltbench_domains.mldg import MLDG

from ltbench.api import Batch


def softmax_gradient(weights, x, y):
    """Gradient of the mean cross-entropy of a two-layer linear model, by hand.

    ``weights`` are (A, a, B, b): features x·Aᵀ + a, logits f·Bᵀ + b.
    """
    first, first_bias, second, second_bias = weights
    features = x @ first.T + first_bias
    logits = features @ second.T + second_bias
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    p /= len(y)
    back = p @ second
    return [back.T @ x, back.sum(0), p.T @ features, p.sum(0)]


def weights_of(model):
    linear, classifier = model.backbone.linear, model.classifier
    tensors = (linear.weight, linear.bias, classifier.weight, classifier.bias)
    return [t.detach().numpy().copy() for t in tensors]


def circle_of(batch, seed):
    domains = shuffled_domains(batch, torch.Generator().manual_seed(seed))
    return [(part.x.flatten(1).numpy(), part.y.numpy()) for part in domains]


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.5])
def test_a_step_is_the_hand_unrolled_one(tiny, beta):
    batch = tiny.batch()
    model = tiny.ready(tiny.algorithm(MLDG, beta=beta))  # SGD with a step of 0.1
    start = weights_of(model)
    model.generator.manual_seed(3)
    model.step(batch)

    domains = circle_of(batch, 3)
    total = [np.zeros_like(w) for w in start]
    for (x, y), (other_x, other_y) in zip(domains, domains[1:] + domains[:1], strict=True):
        train = softmax_gradient(start, x, y)
        inner = [w - 0.1 * g for w, g in zip(start, train, strict=True)]
        test = softmax_gradient(inner, other_x, other_y)
        total = [t + (g + beta * h) / 3 for t, g, h in zip(total, train, test, strict=True)]
    for ours, w, g in zip(weights_of(model), start, total, strict=True):
        np.testing.assert_allclose(ours, w - 0.1 * g, atol=1e-9)


def test_the_inner_step_is_a_fresh_one_of_the_protocols_optimiser(tiny):
    """The first step of Adam is lr·g/(|g| + eps), however many steps were taken before."""
    batch = tiny.batch()
    model = tiny.ready(tiny.algorithm(MLDG), tiny.adam)
    seen = []
    original = model._inner_step

    def record(parameters, gradients):
        before = [p.detach().clone() for p in parameters]
        original(parameters, gradients)
        for parameter, old, gradient in zip(parameters, before, gradients, strict=True):
            expected = old - 0.01 * gradient / (gradient.abs() + 1e-8)
            seen.append(torch.allclose(parameter, expected, atol=1e-7))

    model._inner_step = record
    model.step(batch)
    model.step(batch)
    assert len(seen) == 2 * 3 * 4
    assert all(seen)


def test_the_inner_step_follows_the_learning_rate_schedule(tiny):
    model = tiny.ready(tiny.algorithm(MLDG))
    start = weights_of(model)
    model.optimizers["main"].param_groups[0]["lr"] = 0.0
    model.step(tiny.batch())
    for ours, w in zip(weights_of(model), start, strict=True):
        np.testing.assert_array_equal(ours, w)


def test_domains_are_shuffled_whole(tiny):
    batch = tiny.batch()
    domains = shuffled_domains(batch, torch.Generator().manual_seed(1))
    assert sorted(int(part.d[0]) for part in domains) == [0, 1, 2]
    for part in domains:
        own = batch.d == part.d[0]
        assert torch.equal(part.x, batch.x[own])
        assert torch.equal(part.y, batch.y[own])
        assert part.num_domains == 1


def test_identical_domains_do_not_care_about_the_circle(tiny):
    one = tiny.batch(domains=1)
    batch = Batch(one.x.repeat(3, 1, 1, 1), one.y.repeat(3), torch.arange(3).repeat_interleave(6))
    results = []
    for seed in (0, 1):
        model = tiny.ready(tiny.algorithm(MLDG))
        model.generator.manual_seed(seed)
        model.step(batch)
        results.append(model.classifier.weight.detach().clone())
    torch.testing.assert_close(*results)
