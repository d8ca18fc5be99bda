"""Methods of several experts, against NumPy code written from their papers, image by image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ltbench_longtail.mdcs import count_shift
from ltbench_longtail.ncl import NCL, NCLHParams
from ltbench_longtail.sade import reversed_prior, stability
from torch import Tensor

from ltbench.api import Algorithm, Batch, UsageError
from ltbench.testing import (
    build_algorithm,
    check_conformance,
    random_batch,
    run_small,
    train_info,
)

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


class Pairs:
    """Stands for the test images: batches of two views each."""

    def __init__(self, *batches: tuple[Tensor, Tensor]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return sum(len(first) for first, _ in self.batches)

    def views(self, batch: int) -> Any:
        return iter(self.batches)


def test_sade_learns_its_weights_by_nesterovs_momentum() -> None:
    """The authors' optimiser unrolled, with slopes from differences of eq. 4."""
    lr, passes, decay, momentum = 2.0, 2, 5e-4, 0.9
    sade = build_algorithm(f"sade[passes={passes},lr={lr:g},floor=0]", SMALL).eval()
    pairs = [tuple(random_batch(SMALL, seed=seed + k).x for k in (0, 9)) for seed in (1, 2)]
    logits = [[expert_logits(sade, x) for x in pair] for pair in pairs]

    def unlike(v: Any, pair: Any) -> float:
        answers = [np.einsum("e,enc->nc", softmax(v), z) for z in pair]
        p, q = (np.exp(z) / np.exp(z).sum(1, keepdims=True) for z in answers)
        cosines = (p * q).sum(1) / np.linalg.norm(p, axis=1) / np.linalg.norm(q, axis=1)
        return -float(cosines.mean())

    v, buffer, short = np.full(3, 1 / 3), None, 1e-5
    for pair in logits * passes:
        slope = decay * v
        for e, h in enumerate(short * np.eye(3)):
            slope[e] += (unlike(v + h, pair) - unlike(v - h, pair)) / (2 * short)
        buffer = slope if buffer is None else momentum * buffer + slope
        v = v - lr * (slope + momentum * buffer)
    found = sade.before_test(Pairs(*pairs))["experts"]
    assert found == pytest.approx(softmax(v), rel=1e-4)
    assert max(found) - min(found) > 0.05


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


def keys_of(ncl: Algorithm, batch: Batch) -> Any:
    with torch.no_grad():
        return ncl.average.call(ncl, batch.views[-1]).double().numpy()


def test_ncl_tells_a_second_view_from_older_keys() -> None:
    ncl = build_algorithm("ncl[experts=2,contrast=0.5,queue=20,width=8]", SMALL).eval()
    plain = build_algorithm("ncl[experts=2]", SMALL).eval()
    plain.load_state_dict(ncl.state_dict(), strict=False)
    older = [np.stack([queue.vectors.double().numpy() for queue in ncl.queues])]
    np.testing.assert_allclose(np.linalg.norm(older[0], axis=2), 1, rtol=1e-5)
    for step in range(3):
        batch = views(step)
        ncl.before_step(step, None)
        with torch.no_grad():
            q = ncl(batch.x).double().numpy()
        k, losses = keys_of(ncl, batch), []
        for e in range(2):
            queue = np.concatenate([key[e] for key in older])[-20:]
            for i in range(len(batch)):
                scores = np.concatenate([[q[e, i] @ k[e, i]], queue @ q[e, i]]) / 0.2
                losses.append(cross_entropy(scores, 0))
        with torch.no_grad():
            found = ncl.loss(batch)
            queued = [queue.vectors.clone() for queue in ncl.queues]
            ncl.loss(batch)  # as sharpness-aware steps ask
        older.append(k)
        assert all(q.vectors.equal(was) for q, was in zip(ncl.queues, queued, strict=True))
        assert found["contrast"].item() == pytest.approx(2 * np.mean(losses), **NUMBERS)
        expected = plain.loss(batch)["total"].item() + 0.5 * found["contrast"].item()
        assert found["total"].item() == pytest.approx(expected, **NUMBERS)


def test_the_keys_of_ncl_come_from_a_moving_average() -> None:
    ncl = build_algorithm("ncl[contrast=1,momentum=0.9]", SMALL)
    weight = ncl.projections[1][0].weight
    before = weight.detach().clone()
    with torch.no_grad():
        weight += 1
    ncl.before_step(1, None)
    average = dict(ncl.average.named_buffers())["projections/1/0/weight"]
    torch.testing.assert_close(average, before + 0.1)
    assert not any(key.startswith("average") for key, _ in ncl.named_parameters())


def test_options_of_the_self_supervised_term_need_it() -> None:
    with pytest.raises(UsageError, match=r"ncl\[queue=…\] has no effect.*contrast=1"):
        build_algorithm("ncl[queue=512]", SMALL)
    assert len(build_algorithm("ncl", SMALL).view_augmentations(NCLHParams())) == 1
    assert NCL.view_augmentations(NCLHParams(contrast=1)) == ("protocol", "simclr")


@pytest.mark.parametrize("name", ["sade[aggregate=false]", "ncl", "mdcs", "cmo[loss=bsoftmax]"])
def test_they_take_modifiers_and_stages(name: str, tmp_path: Path) -> None:
    outcome = run_small(f"{name}@ema+crt", tmp_path / "run", stops=(3,))
    assert {line["stage"] for line in outcome.log} == {f"{name.partition('[')[0]}@ema", "crt"}


def test_ncl_with_contrast_does_what_all_algorithms_do(tmp_path: Path) -> None:
    check_conformance("ncl[contrast=1,queue=16,experts=2]", tmp_path)
