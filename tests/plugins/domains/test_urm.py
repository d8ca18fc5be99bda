from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_domains.urm import URM

from ltbench.api import Algorithm


@pytest.fixture
def model(tiny):
    made = tiny.algorithm(URM, weight=0.4)
    backbone = made.backbone
    made.features = lambda x: backbone(x).tanh()
    return tiny.ready(made)


def test_features_lie_between_minus_one_and_one(tiny):
    made = tiny.algorithm(URM).float()
    x = tiny.batch().x.float() * 3
    del made.features
    assert torch.equal(made.features(x), Algorithm.features(made, x).tanh())


def test_a_step_of_both_players_unrolled(tiny, model, cross_entropies):
    batch = tiny.batch()
    other = tiny.algorithm(URM, weight=0.4)
    model.generator.manual_seed(3)
    losses = model.step(batch)

    features = other.backbone(batch.x).tanh()
    logits = other.discriminator(features)[:, 0]
    fool = -torch.nn.functional.logsigmoid(logits).mean()
    risk = other.risks(other.classifier(features), batch).mean()
    total = risk + 0.4 * fool
    moving = [*other.backbone.parameters(), *other.classifier.parameters()]
    gradients = torch.autograd.grad(total, moving, retain_graph=True)
    noise = 2 * torch.rand(18, 4, generator=torch.Generator().manual_seed(3)).double() - 1
    real = -torch.nn.functional.logsigmoid(other.discriminator(noise)).mean()
    fake = -torch.nn.functional.logsigmoid(-other.discriminator(features.detach())).mean()
    judge = list(other.discriminator.parameters())
    judged = torch.autograd.grad(real + 0.4 * fake, judge)
    with torch.no_grad():
        for parameter, gradient in zip(moving + judge, (*gradients, *judged), strict=True):
            parameter.sub_(0.1 * gradient)

    assert float(losses["total"]) == pytest.approx(float(total.detach()), abs=1e-9)
    nll = cross_entropies(other.classifier(features).detach(), batch.y)
    assert np.isfinite(nll).all()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name])


def test_noise_is_uniform_between_minus_one_and_one(tiny, model, monkeypatch):
    seen = []
    original = model.judged
    monkeypatch.setattr(model, "judged", lambda f, real: seen.append(f) or original(f, real=real))
    for seed in range(20):
        model.step(tiny.batch(seed=seed))
    noise = torch.cat(seen[2::3])
    assert noise.min() >= -1
    assert noise.max() < 1
    assert abs(float(noise.mean())) < 0.1
    assert abs(float(noise.var()) - 1 / 3) < 0.05


def test_one_domain_and_one_class_are_enough(tiny):
    model = tiny.ready(tiny.algorithm(URM, domains=1))
    losses = model.step(tiny.batch(domains=1, single_class=True))
    assert all(torch.isfinite(value) for value in losses.values())
