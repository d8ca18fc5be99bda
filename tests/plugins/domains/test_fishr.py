from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_baselines.erm import ERM
from ltbench_domains.fishr import Fishr
from ltbench_longtail.bsoftmax import BSoftmax
from torch import nn
from torch.nn import functional as F


def image_by_image(model, batch):
    """Return the gradients of each image's own loss by the classifier's weights, (N, weights)."""
    rows = []
    for x, y in zip(batch.x, batch.y, strict=True):
        loss = F.cross_entropy(model.predict(x[None]), y[None])
        found = torch.autograd.grad(loss, list(model.classifier.parameters()))
        rows.append(torch.cat([one.flatten() for one in found]))
    return torch.stack(rows)


def of_domains(gradients):
    return np.asarray(gradients).reshape(3, 6, -1).var(1)


@pytest.mark.parametrize("scale", ["code", "paper"])
def test_the_penalty_is_that_of_gradients_taken_image_by_image(tiny, cross_entropies, scale):
    model = tiny.ready(tiny.algorithm(Fishr, weight=50, ema=0.9, scale=scale), step=1500)
    averaged = 0.0
    for step in range(3):
        batch = tiny.batch(seed=step)
        averaged = 0.9 * averaged + 0.1 * of_domains(image_by_image(model, batch))
        apart = averaged - averaged.mean(0)
        if scale == "paper":
            penalty = np.mean((apart**2).sum(1))
        else:
            penalty = np.mean(((apart / 0.1) ** 2).mean(1))
        risk = cross_entropies(model.predict(batch.x).detach(), batch.y).mean()
        losses = model.loss(batch)
        assert float(losses["penalty"].detach()) == pytest.approx(penalty, rel=1e-6)
        assert float(losses["total"].detach()) == pytest.approx(risk + 50 * penalty, rel=1e-6)
        model.before_step(1501 + step, tiny.training)


def test_any_classifier_gives_what_a_linear_one_does(tiny):
    model = tiny.ready(tiny.algorithm(Fishr), step=1500)
    batch = tiny.batch()
    expected = model.loss(batch)
    expected["total"].backward()
    wanted = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()

    class Other(nn.Linear):
        pass

    model.classifier.__class__ = Other
    found = model.loss(batch)
    found["total"].backward()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close([p.grad for p in model.parameters()], wanted)


def test_the_gradient_is_that_of_finite_differences(tiny):
    model = tiny.ready(tiny.algorithm(Fishr, weight=100), step=1500)
    batch, weight = tiny.batch(), model.classifier.weight
    model.loss(batch)["total"].backward()
    with torch.no_grad():
        for place in [(0, 0), (2, 3), (4, 1)]:
            ends = []
            for sign in (1, -1):
                weight[place] += sign * 1e-5
                with torch.enable_grad():
                    ends.append(float(model.loss(batch)["total"].detach()))
                weight[place] -= sign * 1e-5
            slope = (ends[0] - ends[1]) / 2e-5
            assert float(weight.grad[place]) == pytest.approx(slope, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(("steps", "step", "on"), [(5001, 1499, False), (5001, 1500, True)])
def test_the_penalty_sets_in(tiny, steps, step, on):
    model = tiny.ready(tiny.algorithm(Fishr, steps=steps), step=step)
    losses = model.loss(tiny.batch())
    assert (float(losses["total"].detach()) != float(losses["risk"].detach())) is on
    assert float(losses["penalty"].detach()) > 0


def test_a_training_that_ends_before_it_is_erms(tiny):
    model = tiny.ready(tiny.algorithm(Fishr, steps=300), step=299)
    losses = model.loss(tiny.batch())
    assert losses["total"].equal(losses["risk"])


def test_without_weight_it_is_erm(tiny):
    batch, model = tiny.batch(), tiny.ready(tiny.algorithm(Fishr, weight=0), step=2000)
    torch.testing.assert_close(model.loss(batch)["total"], tiny.algorithm(ERM).loss(batch))


def test_domains_with_the_same_images_have_no_penalty(tiny):
    batch = tiny.batch()
    same = batch.__class__(batch.x[:6].repeat(3, 1, 1, 1), batch.y[:6].repeat(3), batch.d)
    model = tiny.ready(tiny.algorithm(Fishr), step=2000)
    assert float(model.loss(same)["penalty"].detach()) == pytest.approx(0, abs=1e-18)


def test_one_image_a_domain_has_no_variance(tiny):
    model = tiny.ready(tiny.algorithm(Fishr), step=2000)
    found = model.loss(tiny.batch(images=1))["penalty"]
    assert float(found.detach()) == pytest.approx(0, abs=1e-12)


def test_a_loss_computed_twice_moves_the_average_once(tiny):
    model, batch = tiny.ready(tiny.algorithm(Fishr), step=2000), tiny.batch()
    model.loss(batch)
    once = model.latest.clone()
    model.loss(batch)
    assert model.latest.equal(once)


def test_slopes_are_those_of_the_loss_beneath(tiny):
    batch = tiny.batch()
    model = tiny.ready(tiny.algorithm(Fishr, loss="bsoftmax"), step=2000)
    plain = tiny.algorithm(BSoftmax)
    plain.classifier.load_state_dict(model.classifier.state_dict())
    rows = []
    for i in range(len(batch)):
        one = batch.__class__(batch.x[i : i + 1], batch.y[i : i + 1], batch.d[i : i + 1])
        found = torch.autograd.grad(plain.loss(one), list(plain.classifier.parameters()))
        rows.append(torch.cat([g.flatten() for g in found]))
    variances = of_domains(torch.stack(rows))
    apart = variances - variances.mean(0)
    assert float(model.loss(batch)["penalty"].detach()) == pytest.approx(
        np.mean(apart**2), rel=1e-6
    )
