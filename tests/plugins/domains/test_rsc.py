from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_baselines.erm import ERM
from ltbench_domains.rsc import RSC


def softmax(z):
    z = np.exp(z - z.max(1, keepdims=True))
    return z / z.sum(1, keepdims=True)


def expected_mask(features, classifier, y, feature_drop, batch_drop):
    """Equations 1 and 2 and section 3.3 for a linear classifier: ∂z_y/∂f is its row w_y."""
    weight, bias = classifier
    rows = np.arange(len(y))
    gradient = weight[y]
    limit = np.percentile(gradient, 100 * (1 - feature_drop), axis=1, keepdims=True)
    kept = gradient < limit
    before = softmax(features @ weight.T + bias)[rows, y]
    after = softmax((features * kept) @ weight.T + bias)[rows, y]
    loss = before - after
    steady = loss < np.percentile(loss, 100 * (1 - batch_drop))
    return kept | steady[:, None]


@pytest.mark.parametrize(("feature_drop", "batch_drop"), [(1 / 3, 1 / 3), (0.5, 0.2)])
def test_the_loss_is_that_of_the_masked_features(tiny, cross_entropies, feature_drop, batch_drop):
    batch = tiny.batch()
    model = tiny.algorithm(RSC, feature_drop=feature_drop, batch_drop=batch_drop)
    f = model.features(batch.x).detach().numpy()
    weight = model.classifier.weight.detach().numpy()
    bias = model.classifier.bias.detach().numpy()
    mask = expected_mask(f, (weight, bias), batch.y.numpy(), feature_drop, batch_drop)
    assert mask.any(axis=0).all()
    assert not mask.all()
    expected = cross_entropies((f * mask) @ weight.T + bias, batch.y).mean()
    assert float(model.loss(batch).detach()) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shares", [(0, 0), (0, 1), (1, 0), (0, 1 / 3), (1 / 3, 0)])
def test_with_either_share_0_nothing_is_muted(tiny, shares):
    batch = tiny.batch()
    model = tiny.algorithm(RSC, feature_drop=shares[0], batch_drop=shares[1])
    assert bool(model.mask(model.features(batch.x).detach(), batch.y).all())
    assert float(model.loss(batch).detach()) == float(tiny.algorithm(ERM).loss(batch).detach())


def test_finding_the_mask_leaves_no_gradient_behind(tiny):
    model, batch = tiny.algorithm(RSC), tiny.batch()
    model.mask(model.features(batch.x).detach(), batch.y)
    assert all(p.grad is None for p in model.parameters())


def test_muted_features_get_no_gradient(tiny):
    model, batch = tiny.algorithm(RSC, batch_drop=1), tiny.batch()
    f = model.features(batch.x).detach()
    mask = model.mask(f.clone(), batch.y)
    f.requires_grad_()
    model.risks(model.classifier(f * mask), batch).mean().backward()
    assert torch.equal(f.grad == 0, mask == 0)


def test_one_domain_and_one_class_are_enough(tiny):
    model = tiny.algorithm(RSC, domains=1)
    assert torch.isfinite(model.loss(tiny.batch(domains=1, single_class=True)))
    assert torch.isfinite(tiny.algorithm(ERM, domains=1).loss(tiny.batch(domains=1)))
