"""CORAL, MMD and SD: a risk and a penalty, added up."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_baselines.erm import ERM
from ltbench_domains.coral import CORAL
from ltbench_domains.distances import gaussian_mmd, moment_distance, sample_moments
from ltbench_domains.mmd import GAMMAS, MMD
from ltbench_domains.sd import SD

from ltbench.api import Batch


def identical_domains(tiny):
    one = tiny.batch(domains=1)
    return Batch(one.x.repeat(3, 1, 1, 1), one.y.repeat(3), torch.arange(3).repeat_interleave(6))


@pytest.mark.parametrize("cls", [CORAL, MMD])
def test_identical_domains_make_it_erm(tiny, cls):
    batch = identical_domains(tiny)
    ours = tiny.algorithm(cls).loss(batch)["total"]
    assert float(ours.detach()) == pytest.approx(float(tiny.algorithm(ERM).loss(batch).detach()))


@pytest.mark.parametrize("cls", [CORAL, MMD, SD])
def test_without_weight_it_is_erm(tiny, cls):
    batch = tiny.batch()
    ours = tiny.algorithm(cls, weight=0).loss(batch)["total"]
    torch.testing.assert_close(ours, tiny.algorithm(ERM).loss(batch))


@pytest.mark.parametrize("cls", [CORAL, MMD])
def test_total_is_the_mean_risk_plus_the_weighted_distance(tiny, cls, cross_entropies):
    batch, model = tiny.batch(), tiny.algorithm(cls, weight=3)
    features = model.features(batch.x)
    risk = cross_entropies(model.classifier(features).detach(), batch.y).mean()
    grouped = features.view(3, 6, -1)
    if cls is CORAL:
        distance = moment_distance(*sample_moments(grouped))
    else:
        distance = gaussian_mmd(grouped, GAMMAS)
    total = float(model.loss(batch)["total"].detach())
    assert total == pytest.approx(risk + 3 * float(distance.detach()), abs=1e-9)


def test_the_distance_moves_the_backbone_and_not_the_classifier(tiny):
    model = tiny.algorithm(CORAL)
    model.loss(tiny.batch())["distance"].backward()
    assert model.backbone.linear.weight.grad.abs().max() > 0
    assert model.classifier.weight.grad is None


def test_sd_adds_the_mean_squared_logit(tiny, cross_entropies):
    batch, model = tiny.batch(), tiny.algorithm(SD, weight=0.3)
    logits = model.predict(batch.x).detach().numpy()
    expected = cross_entropies(logits, batch.y).mean() + 0.3 * np.mean(logits**2)
    assert float(model.loss(batch)["total"].detach()) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("cls", [CORAL, MMD, SD])
def test_a_batch_of_a_single_class_is_finite(tiny, cls):
    assert torch.isfinite(tiny.algorithm(cls).loss(tiny.batch(single_class=True))["total"])
