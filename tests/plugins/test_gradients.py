"""Gradients of what is computed in closed form or for all at once, by finite differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ltbench_domains.distances import (
    gaussian_mmd,
    moment_distance,
    sample_moments,
    squared_gaps,
    weighted_moments,
)
from ltbench_domains.eqrm import kernel_quantile
from ltbench_domains.sagnet import split_style as split_features
from ltbench_mdlt.brl import mean_gap
from ltbench_mdlt.ndcl import _one_each, alignment_loss, hard_image_loss, margin_loss
from ltbench_mdlt.style import join_style, split_style
from scipy import stats
from torch.autograd import gradcheck

from ltbench.api import MixedLabels
from ltbench.testing import build_algorithm, random_batch, train_info


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


Y, D = torch.tensor([0, 1, 0, 2, 1, 0, 1, 0]), torch.tensor([0, 0, 0, 1, 1, 1, 2, 2])
OF, VALID = torch.tensor([0, 1, 2, 0, 0]), torch.tensor([True, True, False, True, True])


def weighted(features: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    return moment_distance(*weighted_moments(features, logits.softmax(1)))


CHECKED = {
    "coral": (lambda f: moment_distance(*sample_moments(f)), draw(3, 4, 5)),
    "coral of one image": (lambda f: moment_distance(*sample_moments(f)), draw(3, 1, 5)),
    "moments": (sample_moments, draw(2, 4, 3)),
    "weighted moments": (weighted, draw(3, 4, 5), draw(3, 4, seed=1)),
    "gap": (lambda v, w: mean_gap(v, w.softmax(1)), draw(4, 3, 6), draw(4, 3, seed=1)),
    "mmd": (lambda f: gaussian_mmd(f, (0.01, 0.1, 1.0)), draw(3, 4, 2)),
    "quantile": (lambda v: kernel_quantile(v, 0.75), draw(6)),
    "margin": (
        lambda p, q: margin_loss(p.softmax(1), Y, q.softmax(1), OF, VALID),
        draw(8, 3),
        draw(5, 3, seed=1),
    ),
    "align": (lambda p: alignment_loss(p.softmax(1), Y, D), draw(8, 3)),
    "style": (split_style, draw(2, 3, 3, 2)),
    "joined": (join_style, draw(2, 3, 2, 2), draw(2, 3, 1, 1, seed=1), draw(2, 3, 1, 1, seed=2)),
    "features' style": (split_features, draw(3, 6)),
}


@pytest.mark.parametrize("name", CHECKED)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    function, *inputs = CHECKED[name]
    assert gradcheck(function, inputs)


def test_gaps_are_those_of_a_loop_over_pairs() -> None:
    values = draw(4, 3, 2)
    pairs = [(values[i] - values[j]).square() for i in range(4) for j in range(i)]
    expected = torch.stack(pairs).mean(0)
    torch.testing.assert_close(squared_gaps(values), expected)
    (ours,) = torch.autograd.grad(squared_gaps(values).sum(), values)
    (theirs,) = torch.autograd.grad(expected.sum(), values)
    torch.testing.assert_close(ours, theirs)


def test_hard_images_weigh_as_in_a_loop_with_the_same_gradient() -> None:
    nll, weights = draw(8), draw(8, seed=1).detach().abs()
    total = torch.zeros((), dtype=torch.float64)
    for c in range(3):
        own = nll[c == Y]
        total = total + (own.detach().softmax(0) * weights[c == Y] * own).sum()
    ours = hard_image_loss(nll, Y, weights)
    torch.testing.assert_close(ours, total / 3)
    (found,) = torch.autograd.grad(ours, nll)
    (expected,) = torch.autograd.grad(total / 3, nll)
    torch.testing.assert_close(found, expected)


def test_one_each_is_what_multinomial_draws() -> None:
    weights = draw(50, 7).detach().abs()
    weights[:, 3] = 0
    found = _one_each(weights, torch.Generator().manual_seed(1))
    expected = weights.multinomial(1, generator=torch.Generator().manual_seed(1))[:, 0]
    assert found.equal(expected)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("scale", [0, 30])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_balpoes_experts_are_those_of_a_loop(shared: bool, scale: int, smoothing: float) -> None:
    info = replace(train_info(), label_smoothing=smoothing)
    name = f"balpoe[alpha=0,shared={str(shared).lower()},scale={scale}]"
    model = build_algorithm(name, info)
    batch = random_batch(info)
    other = batch.per_domain(batch.y).flip(1).flatten()
    batch = replace(batch, mixed=MixedLabels(other, torch.tensor(0.3)))
    features = model.features(batch.x)
    number = len(model.classifier.heads)
    parts = [features] * number if shared else features.chunk(number, dim=1)
    risks = []
    for head, part, shifts in zip(model.classifier.heads, parts, model.shifts, strict=True):
        logits = head(part) + shifts[batch.d]
        risks.append(super(type(model), model).mixed_risks(logits, batch))
    expected = torch.stack(risks)
    model.zero_grad()
    ours = model.expert_risks(model.classifier.each(features), batch)
    torch.testing.assert_close(ours, expected)
    parameters = list(model.parameters())
    found = torch.autograd.grad(ours.sum(), parameters, retain_graph=True)
    wanted = torch.autograd.grad(expected.sum(), parameters)
    for one, two in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)


def test_boda_is_a_loop_over_images_and_centroids_with_the_same_gradient() -> None:
    model = build_algorithm("boda[nu=0.7,temperature=2]", train_info()).double()
    info = model.train_info
    n = info.counts.flatten().double()
    model.centroids.copy_(draw(len(n), model.num_features, seed=2).detach())
    model.refreshes += 1
    batch, features = random_batch(info), draw(12, model.num_features)
    terms = []
    for f, y, d in zip(features, batch.y.tolist(), batch.d.tolist(), strict=True):
        own = d * info.num_classes + y
        scores = {
            k: -(f - model.centroids[k]).norm() / n[own] * (n[k] / n[own]) ** 0.7 / 2
            for k in range(len(n))
            if n[k] > 0
        }
        others = torch.stack([s for k, s in scores.items() if k != own]).logsumexp(0)
        terms += [s - others for k, s in scores.items() if k != own and k % info.num_classes == y]
    expected = -torch.stack(terms).mean()
    ours = model.alignment(features, batch.y, batch.d)
    torch.testing.assert_close(ours, expected)
    (found,) = torch.autograd.grad(ours, features)
    (wanted,) = torch.autograd.grad(expected, features)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("level", [0.01, 0.5, 0.999])
@pytest.mark.parametrize("number", [2, 3, 40])
def test_the_quantile_is_where_the_distribution_function_has_its_level(
    level: float, number: int
) -> None:
    values = draw(number).detach()
    found = float(kernel_quantile(values, level))
    bandwidth = 1.06 * values.std().item() * number**-0.2
    assert stats.norm.cdf((found - values.numpy()) / bandwidth).mean() == pytest.approx(level)
    assert np.isfinite(float(kernel_quantile(values.float(), level)))
