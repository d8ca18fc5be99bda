"""Mixup, balanced contrast and experts, against NumPy code written from their papers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from ltbench_longtail.bcl import balanced_contrast
from ltbench_longtail.mixing import mix_within_domains
from torch import nn

from ltbench.api import Batch
from ltbench.testing import build_algorithm, build_stage, random_batch, train_info

COUNTS = [[12, 6, 3, 0], [1, 3, 5, 8], [9, 2, 4, 1]]


def unit_vectors(number: int, width: int, seed: int) -> np.ndarray[Any, Any]:
    vectors = np.random.default_rng(seed).normal(size=(number, width))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("y", [[0, 0, 1, 2, 2, 2], [3, 3, 3, 3, 3, 3], [0, 1, 2, 3, 0, 1]])
def test_balanced_contrast_by_a_double_loop(y: list[int]) -> None:
    tau = 0.3
    v, prototypes = unit_vectors(6, 5, 1), unit_vectors(4, 5, 2)
    losses = []
    for i in range(6):
        members = {
            c: [v[k] for k in range(6) if y[k] == c and k != i] + [prototypes[c]] for c in range(4)
        }
        denominator = sum(
            np.mean([np.exp(v[i] @ other / tau) for other in group]) for group in members.values()
        )
        terms = [np.log(np.exp(v[i] @ p / tau) / denominator) for p in members[y[i]]]
        losses.append(-np.mean(terms))
    found = balanced_contrast(
        torch.tensor(v), torch.tensor(prototypes), torch.tensor(y), temperature=tau
    )
    assert found.item() == pytest.approx(np.mean(losses), rel=1e-6)


def test_bcl_adds_contrast_to_the_compensated_cross_entropy() -> None:
    info = train_info(COUNTS)
    batch = random_batch(info)
    bcl = build_algorithm("bcl[weight=0.7,scale=0]", info)
    bsoftmax = build_algorithm("bsoftmax", info)
    bsoftmax.load_state_dict(bcl.state_dict(), strict=False)
    parts = bcl.loss(batch)
    assert parts["ce"].item() == pytest.approx(bsoftmax.loss(batch).item(), rel=1e-6)
    total = parts["ce"].item() + 0.7 * parts["contrast"].item()
    assert parts["total"].item() == pytest.approx(total, rel=1e-6)


def test_contrast_teaches_features_and_prototypes() -> None:
    info = train_info(COUNTS)
    bcl = build_algorithm("bcl", info)
    bcl.loss(random_batch(info))["contrast"].backward()
    for module in (bcl.backbone, bcl.of_features, bcl.of_weights, bcl.classifier):
        assert any(p.grad is not None and bool(p.grad.any()) for p in module.parameters())


def test_partners_are_of_the_same_domain_and_each_image_is_one() -> None:
    number, domains = 5, 3
    x = torch.arange(15.0).view(15, 1, 1, 1)
    d = torch.arange(domains).repeat_interleave(number)
    batch = Batch(x, torch.arange(15), d)
    generator = torch.Generator().manual_seed(3)
    mixed, partners, share = mix_within_domains(batch, 0.4, generator)
    assert partners.sort().values.tolist() == list(range(15))
    assert (d[partners] == d).all()
    expected = share * x.flatten() + (1 - share) * x.flatten()[partners]
    assert torch.allclose(mixed.x.flatten(), expected)
    assert mixed.y.equal(batch.y)


def test_shares_follow_the_beta_distribution() -> None:
    batch = Batch(torch.zeros(2, 1, 1, 1), torch.zeros(2, dtype=torch.int64), torch.zeros(2))
    generator = torch.Generator().manual_seed(0)
    shares = [float(mix_within_domains(batch, 0.4, generator)[2]) for _ in range(4000)]
    # Beta(α, α): mean 1/2, variance 1 / (4·(2α + 1)).
    assert np.mean(shares) == pytest.approx(0.5, abs=0.02)
    assert np.var(shares) == pytest.approx(1 / (4 * 1.8), abs=0.005)


def test_input_mixup_mixes_risks_with_the_share_of_the_images() -> None:
    info = train_info(COUNTS)
    mixup = build_algorithm("input-mixup[alpha=0.4]", info).eval()
    batch = random_batch(info)
    mixup.generator.manual_seed(11)
    found = mixup.loss(batch).item()
    mixed, partners, share = mix_within_domains(batch, 0.4, torch.Generator().manual_seed(11))
    z = mixup.predict(mixed.x).detach().double().numpy()
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    rows = np.arange(len(batch))
    losses = -float(share) * log_p[rows, batch.y] - (1 - float(share)) * log_p[rows, partners]
    assert found == pytest.approx(losses.mean(), rel=1e-5)


@pytest.mark.parametrize("shared", ["false", "true"])
def test_balpoe_is_the_mean_of_differently_adjusted_experts(shared: str) -> None:
    info = train_info(COUNTS)
    balpoe = build_algorithm(f"balpoe[alpha=0,shared={shared}]", info).eval()
    batch = random_batch(info)
    with torch.no_grad():
        logits = balpoe.classifier.each(balpoe.features(batch.x)).double().numpy()
        prediction = balpoe.predict(batch.x).numpy()
        found = balpoe.loss(batch).item()
    n = np.array(COUNTS, dtype=float)
    losses = []
    for expert, tau in enumerate((0, 1, 2)):
        for z, y, d in zip(logits[expert], batch.y, batch.d, strict=True):
            weighted = (n[d] / n[d].sum()) ** tau * np.exp(z)  # 0**0 is 1: no masking without bias
            losses.append(-np.log(weighted[y] / weighted.sum()))
    assert found == pytest.approx(np.mean(losses), rel=1e-5)
    np.testing.assert_allclose(prediction, logits.mean(0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shared", ["false", "true"])
def test_the_experts_product_is_linear_in_their_features(shared: str) -> None:
    balpoe = build_algorithm(f"balpoe[shared={shared},scale=0]", train_info(COUNTS)).eval()
    batch = random_batch(balpoe.train_info)
    with torch.no_grad():
        linear = balpoe.features(batch.x) @ balpoe.class_weights().T
        bias = torch.stack([head.bias for head in balpoe.classifier.heads]).mean(0)
        assert torch.allclose(linear + bias, balpoe.predict(batch.x), atol=1e-5)


def test_three_experts_cost_three_times_the_parameters_of_erm_and_shared_ones_hardly_more() -> None:
    def parameters(module: nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    info = train_info(COUNTS)
    erm, balpoe = build_algorithm("erm", info), build_algorithm("balpoe[scale=0]", info)
    shared = build_algorithm("balpoe[shared=true,scale=0]", info)
    assert parameters(balpoe) == 3 * parameters(erm)
    assert parameters(shared) == parameters(erm) + 2 * parameters(erm.classifier)
    cosine = build_algorithm("balpoe", info)
    assert parameters(cosine) == parameters(balpoe) - 3 * info.num_classes  # no biases


@pytest.mark.parametrize("algorithm", ["balpoe", "balpoe[shared=true]", "ldam[normalized=true]"])
@pytest.mark.parametrize("stage", ["crt", "lws", "tau-norm", "posthoc-la", "mislas"])
def test_stages_stand_on_classifiers_of_all_kinds(algorithm: str, stage: str) -> None:
    base = build_algorithm(algorithm, train_info(COUNTS))
    model = build_stage(stage, base)
    assert model.predict(random_batch(base.train_info).x).shape == (12, 4)
