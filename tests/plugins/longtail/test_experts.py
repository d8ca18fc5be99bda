"""Methods of several experts, against NumPy code written from their papers, image by image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from ltbench_longtail.mdcs import count_shift
from ltbench_longtail.sade import reversed_prior, stability
from torch import Tensor

from ltbench.api import Algorithm, Batch
from ltbench.testing import build_algorithm, random_batch, train_info

COUNTS = [[40, 6, 3, 0, 11], [1, 3, 5, 8, 90], [9, 2, 4, 1, 1]]
N = np.array(COUNTS, dtype=float)
SMALL = train_info(COUNTS, batch_per_domain=5)
NUMBERS = {"rel": 1e-5, "abs": 1e-6}


def expert_logits(algorithm: Algorithm, x: Tensor) -> Any:
    with torch.no_grad():
        return algorithm.expert_logits(x).double().numpy()


def softmax(z: Any) -> Any:
    with np.errstate(over="ignore"):
        weights = np.exp(z - z[np.isfinite(z)].max())
    return weights / weights.sum()


def cross_entropy(z: Any, y: int) -> float:
    return float(-np.log(softmax(z)[y]))


def divergence(p: Any, q: Any) -> float:
    return float(sum(a * np.log(a / b) for a, b in zip(p, q, strict=True) if a > 0))


def log(values: Any) -> Any:
    with np.errstate(divide="ignore"):
        return np.log(values)


def images(batch: Batch) -> Any:
    return list(enumerate(zip(batch.y.tolist(), batch.d.tolist(), strict=True)))


@pytest.mark.parametrize("shared", ["false", "true"])
@pytest.mark.parametrize("tau", [0.0, 2.0])
def test_sade_trains_for_the_priors_as_they_are_even_and_reversed(shared: str, tau: float) -> None:
    sade = build_algorithm(f"sade[tau={tau},shared={shared}]", SMALL).eval()
    batch = random_batch(SMALL)
    logits = expert_logits(sade, batch.x)
    # Written by hand from COUNTS: the shares of a domain's classes, rarest for most frequent.
    inverse = np.array([[3, 11, 40, 1, 6], [90, 8, 5, 3, 1], [1, 2, 1, 9, 4]], dtype=float)
    losses = []
    for i, (y, d) in images(batch):
        prior, reverse = N[d] / N[d].sum(), inverse[d] / N[d].sum()
        shifts = (0 * prior, log(prior), log(prior) - tau * log(reverse))
        losses.append(sum(cross_entropy(logits[e, i] + shifts[e], y) for e in range(3)))
    assert sade.loss(batch).item() == pytest.approx(np.mean(losses), **NUMBERS)
    with torch.no_grad():
        np.testing.assert_allclose(sade.predict(batch.x), logits.mean(0), rtol=1e-5, atol=1e-5)


def test_the_reversed_prior_is_that_of_the_published_code() -> None:
    counts = torch.tensor([[500, 3, 50, 5, 12]])
    # What the code does: sorted values, taken by the rank from the other end.
    value, first = torch.sort(counts[0] / counts[0].sum())
    _, rank = torch.sort(first)
    expected = value.index_select(0, 4 - rank)
    np.testing.assert_allclose(reversed_prior(counts)[0], expected, rtol=1e-6)


def test_of_as_many_images_the_first_class_counts_as_rarer() -> None:
    assert (9 * reversed_prior(torch.tensor([[1, 7, 1]]))).tolist() == [[7.0, 1.0, 1.0]]
    even = reversed_prior(torch.tensor([[4, 4], [0, 3]]))
    assert even.tolist() == [[0.5, 0.5], [1.0, 1.0]]


def test_stability_is_the_cosine_of_two_views_predictions() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(0, 2, (2, 3, 6, 4))
    weights = np.array([0.2, 0.5, 0.3])
    found = []
    for i in range(6):
        p, q = (softmax(np.einsum("e,ec->c", weights, z[:, i])) for z in (first, second))
        found.append(p @ q / np.linalg.norm(p) / np.linalg.norm(q))
    tensors = map(torch.tensor, (weights, first, second))
    assert float(stability(*tensors)) == pytest.approx(np.mean(found), rel=1e-6)


def nested(z: Any, batch: Batch, hard: int, outside: str, weight: float = 0.6) -> float:
    """Return the loss of nested collaborative learning of logits (K, N, C), image by image."""
    total, networks = 0.0, len(z)
    for i, (y, d) in images(batch):
        scores = np.where(N[d] > 0, z[0, i], -np.inf)
        scores[y] = np.inf
        chosen = np.argsort(-scores)[:hard]
        full = z[:, i] + log(N[d])
        part = np.full_like(full, -np.inf)
        if outside == "zero":
            part[:, N[d] > 0] = 0
        part[:, chosen] = full[:, chosen]
        for s in (full, part):
            total += sum(cross_entropy(s[k], y) for k in range(networks))
            p = [softmax(s[k]) for k in range(networks)]
            pairs = [(j, k) for j in range(networks) for k in range(networks) if j != k]
            total += weight * sum(divergence(p[j], p[k]) for j, k in pairs) / max(networks - 1, 1)
    return total / len(batch)


@pytest.mark.parametrize("outside", ["out", "zero"])
@pytest.mark.parametrize("experts", [1, 2, 3])
def test_ncl_learns_all_and_hard_classes_and_from_each_other(experts: int, outside: str) -> None:
    ncl = build_algorithm(f"ncl[experts={experts},hard=0.6,outside={outside}]", SMALL).eval()
    batch = random_batch(SMALL)
    assert ncl.hard_classes == 3
    z = expert_logits(ncl, batch.x)
    found = ncl.loss(batch)
    assert found["total"].item() == pytest.approx(nested(z, batch, 3, outside), **NUMBERS)


def test_ncl_of_all_classes_says_everything_twice() -> None:
    batch = random_batch(SMALL)
    found = build_algorithm("ncl[hard=1]", SMALL).loss(batch)
    assert found["ce"].item() == pytest.approx(found["ce_hard"].item(), rel=1e-6)
    assert found["distillation"].item() == pytest.approx(found["distillation_hard"].item())


def test_one_network_of_ncl_without_hard_classes_is_bsoftmax() -> None:
    batch = random_batch(SMALL)
    ncl = build_algorithm("ncl[experts=1,partial=0]", SMALL)
    bsoftmax = build_algorithm("bsoftmax", SMALL)
    bsoftmax.backbone.load_state_dict(ncl.backbone.backbones[0].state_dict())
    bsoftmax.classifier.load_state_dict(ncl.classifier.heads[0].state_dict())
    assert ncl.loss(batch)["total"].item() == pytest.approx(bsoftmax.loss(batch).item(), rel=1e-6)


def views(seed: int = 0) -> Batch:
    one, other = random_batch(SMALL, seed=seed), random_batch(SMALL, seed=seed + 100)
    return replace(one, views=(one.x, other.x))


@pytest.mark.parametrize("warmup", [0.0, 0.8])
def test_mdcs_teaches_the_strong_view_what_the_weak_one_got_right(warmup: float) -> None:
    mdcs = build_algorithm(f"mdcs[warmup={warmup},scale=5]", SMALL).eval()
    mdcs.before_step(1, None)
    batch = views()
    weak, strong = (expert_logits(mdcs, x) for x in batch.views)
    diverse = distilled = 0.0
    for e, power in enumerate((-0.5, 1.0, 2.5)):
        kept = []
        for i, (y, d) in images(batch):
            shift = power * (log(N[d]) if power > 0 else log(np.maximum(N[d], 1)))
            p, q = softmax(weak[e, i] + shift), softmax(strong[e, i] + shift)
            diverse -= (np.log(p[y]) + np.log(q[y])) / 2 / len(batch)
            if p.argmax() == y:
                kept.append(divergence(p, q))
        distilled += np.mean(kept) if kept else 0.0
    found = mdcs.loss(batch)
    assert distilled > 0
    assert found["diverse"].item() == pytest.approx(diverse, **NUMBERS)
    assert found["distillation"].item() == pytest.approx(distilled, **NUMBERS)
    weight = 0.6 * (1 / (0.8 * 5) if warmup else 1.0)
    assert found["total"].item() == pytest.approx(diverse + weight * distilled, **NUMBERS)


def test_mdcs_holds_the_teacher_fixed() -> None:
    mdcs = build_algorithm("mdcs", SMALL)
    batch = views()
    batch.x.requires_grad_()
    mdcs.eval().loss(batch)["distillation"].backward()
    assert batch.x.grad is None or not bool(batch.x.grad.any())


def test_mdcs_of_equal_views_is_its_diversity_loss() -> None:
    batch = random_batch(SMALL)
    found = build_algorithm("mdcs", SMALL).eval().loss(replace(batch, views=(batch.x, batch.x)))
    assert found["distillation"].item() == pytest.approx(0, abs=1e-6)
    assert found["total"].item() == pytest.approx(found["diverse"].item(), rel=1e-6)


def test_only_experts_that_prefer_rare_classes_rule_absent_ones_out() -> None:
    counts = torch.tensor([[4, 0]])
    assert count_shift(counts, 2.5).tolist() == [[pytest.approx(2.5 * np.log(4)), -np.inf]]
    assert count_shift(counts, -0.5).tolist() == [[pytest.approx(-0.5 * np.log(4)), 0.0]]


@pytest.mark.parametrize("name", ["sade", "ncl", "ncl[outside=zero]", "mdcs"])
def test_gradients_are_finite_although_classes_are_absent(name: str) -> None:
    algorithm = build_algorithm(name, SMALL)
    algorithm.named_losses(views())["total"].backward()
    gradients = [p.grad for p in algorithm.parameters() if p.grad is not None]
    assert gradients
    assert all(bool(g.isfinite().all()) for g in gradients)
    assert any(bool(g.any()) for g in gradients)


@pytest.mark.parametrize("name", ["sade", "ncl", "mdcs"])
def test_stages_start_from_the_mean_of_the_experts(name: str) -> None:
    linear = build_algorithm(f"{name}[scale=0]", SMALL)
    x = random_batch(SMALL).x
    with torch.no_grad():
        features = linear.eval().features(x)
        bias = torch.stack([head.bias for head in linear.classifier.heads]).mean(0)
        expected = features @ linear.class_weights().T + bias
        np.testing.assert_allclose(linear.predict(x), expected, rtol=1e-4, atol=1e-5)
