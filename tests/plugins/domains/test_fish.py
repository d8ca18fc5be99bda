from __future__ import annotations

import pytest
import torch
from ltbench_domains.episodes import shuffled_domains
from ltbench_domains.fish import Fish

from ltbench.api import Batch


def unrolled(model, batch, seed, meta_lr, rounds):
    """Algorithm 1 with plain gradient steps of 0.1, by autograd on separate tensors."""
    theta = [p.detach().clone() for p in model.parameters()]
    domains = shuffled_domains(batch, torch.Generator().manual_seed(seed))
    for _ in range(rounds):
        inner = [t.clone().requires_grad_() for t in theta]
        for part in domains:
            a, a_bias, b, b_bias = inner
            features = part.x.flatten(1) @ a.T + a_bias
            log_p = (features @ b.T + b_bias).log_softmax(1)
            risk = -log_p[torch.arange(len(part.y)), part.y].mean()
            gradients = torch.autograd.grad(risk, inner)
            inner = [
                (t - 0.1 * g).detach().requires_grad_()
                for t, g in zip(inner, gradients, strict=True)
            ]
        theta = [t + meta_lr * (i.detach() - t) for t, i in zip(theta, inner, strict=True)]
    return theta


@pytest.mark.parametrize("meta_lr", [0.0, 0.5, 1.0])
def test_rounds_are_the_hand_unrolled_ones(tiny, meta_lr):
    batch = tiny.batch()
    model = tiny.ready(tiny.algorithm(Fish, meta_lr=meta_lr))
    expected = unrolled(model, batch, seed=2, meta_lr=meta_lr, rounds=2)
    for _ in range(2):
        model.generator.manual_seed(2)
        model.step(batch)
    for ours, theirs in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(ours.detach(), theirs)


def test_to_first_order_it_is_a_step_down_the_sum_of_risks(tiny):
    batch = tiny.batch()
    model = tiny.algorithm(Fish)
    start = [p.detach().clone() for p in model.parameters()]
    model.risks(model.predict(batch.x), batch).sum().backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    tiny.ready(model, lambda p: torch.optim.SGD(list(p), lr=1e-5))
    model.step(batch)
    for ours, old, gradient in zip(model.parameters(), start, gradients, strict=True):
        moved = (ours.detach() - old) / (0.5 * 1e-5)
        torch.testing.assert_close(moved, -gradient, rtol=1e-3, atol=1e-4)


def test_the_optimiser_keeps_its_state_between_rounds(tiny):
    model = tiny.ready(tiny.algorithm(Fish), tiny.adam)
    model.step(tiny.batch())
    model.step(tiny.batch())
    assert {int(s["step"]) for s in model.optimizers["main"].state.values()} == {6}


def test_it_learns(tiny):
    batch = tiny.batch()
    assert isinstance(batch, Batch)
    model = tiny.ready(tiny.algorithm(Fish))
    before = float(model.step(batch)["total"])
    for _ in range(20):
        after = float(model.step(batch)["total"])
    assert after < before
