"""Each loss on logits against NumPy code written from its paper, image by image."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

EXACT = {"rtol": 1e-6, "atol": 1e-6}


def cross_entropy(z: NDArray[Any], y: int) -> float:
    return float(np.log(np.sum(np.exp(z))) - z[y])


def image_losses(case: Any, loss: Callable[[NDArray[Any], int, int], float]) -> NDArray[Any]:
    return np.array([loss(z, y, d) for z, y, d in zip(case.logits, case.y, case.d, strict=True)])


def domain_means(case: Any, values: NDArray[Any], weights: NDArray[Any]) -> list[float]:
    return [
        float(np.average(values[case.d == d], weights=weights[case.d == d]))
        for d in np.unique(case.d)
    ]


def plain(case: Any) -> NDArray[Any]:
    return image_losses(case, lambda z, y, d: cross_entropy(z, y))


def mean_one_over_present(raw: Callable[[float], float], counts: Any) -> NDArray[Any]:
    present = [raw(n) for n in counts if n > 0]
    mean = sum(present) / len(present)
    return np.array([raw(n) / mean if n > 0 else 0.0 for n in counts])


def test_resamp_is_plain_cross_entropy_on_other_batches(long_tail: Any) -> None:
    algorithm = long_tail.build("resamp")
    expected = domain_means(long_tail, plain(long_tail), np.ones(8))
    np.testing.assert_allclose(long_tail.risks(algorithm), expected, **EXACT)
    assert algorithm.sampling == "class-balanced"


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("reweight", lambda n: 1 / n),
        ("sqrt-reweight", lambda n: 1 / math.sqrt(n)),
        ("cbloss", lambda n: (1 - 0.9999) / (1 - 0.9999**n)),
        ("cbloss[beta=0.9]", lambda n: (1 - 0.9) / (1 - 0.9**n)),
    ],
)
def test_weights_by_pair(name: str, raw: Callable[[float], float], long_tail: Any) -> None:
    table = np.array([mean_one_over_present(raw, row) for row in long_tail.counts])
    algorithm = long_tail.build(name)
    np.testing.assert_allclose(algorithm.weights.numpy(), table, **EXACT)
    expected = domain_means(long_tail, plain(long_tail), table[long_tail.d, long_tail.y])
    np.testing.assert_allclose(long_tail.risks(algorithm), expected, **EXACT)


def test_weighted_softmax_pools_the_domains(long_tail: Any) -> None:
    table = mean_one_over_present(lambda n: 1 / n, long_tail.counts.sum(0))
    expected = domain_means(long_tail, plain(long_tail), table[long_tail.y])
    found = long_tail.risks(long_tail.build("weighted-softmax"))
    np.testing.assert_allclose(found, expected, **EXACT)


def test_weighted_softmax_is_torchs_weighted_cross_entropy_in_one_domain(long_tail: Any) -> None:
    one = type(long_tail)(
        long_tail.counts[1:], long_tail.logits, long_tail.y, np.zeros(8, dtype=int)
    )
    weights = torch.tensor(1 / one.counts[0])
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(one.logits), torch.tensor(one.y), weight=weights
    )
    found = one.risks(one.build("weighted-softmax"))
    np.testing.assert_allclose(found, [float(expected)], **EXACT)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.5])
def test_focal(gamma: float, long_tail: Any) -> None:
    def loss(z: NDArray[Any], y: int, d: int) -> float:
        p = np.exp(z[y]) / np.exp(z).sum()
        return float(-((1 - p) ** gamma) * np.log(p))

    expected = domain_means(long_tail, image_losses(long_tail, loss), np.ones(8))
    found = long_tail.risks(long_tail.build(f"focal[gamma={gamma}]"))
    np.testing.assert_allclose(found, expected, **EXACT)


def test_focal_has_a_finite_gradient_where_the_network_is_certain(long_tail: Any) -> None:
    algorithm = long_tail.build("focal[gamma=0.5]")
    logits = torch.zeros(8, 4).scatter(1, torch.tensor(long_tail.y)[:, None], 200.0)
    logits.requires_grad_()
    algorithm.risks(logits, long_tail.batch()).sum().backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())


def test_bsoftmax(long_tail: Any) -> None:
    def loss(z: NDArray[Any], y: int, d: int) -> float:
        n = long_tail.counts[d]
        return float(-np.log(n[y] * np.exp(z[y]) / (n * np.exp(z)).sum()))

    expected = domain_means(long_tail, image_losses(long_tail, loss), np.ones(8))
    found = long_tail.risks(long_tail.build("bsoftmax"))
    np.testing.assert_allclose(found, expected, **EXACT)


@pytest.mark.parametrize("normalized", ["false", "true"])
def test_ldam(normalized: str, long_tail: Any) -> None:
    max_m, s = 0.4, 12.0
    largest = [max_m / max(n**-0.25 for n in row if n > 0) for row in long_tail.counts]

    def loss(z: NDArray[Any], y: int, d: int) -> float:
        shifted = z.copy()
        shifted[y] -= largest[d] * long_tail.counts[d, y] ** -0.25
        return cross_entropy(s * shifted, y)

    expected = domain_means(long_tail, image_losses(long_tail, loss), np.ones(8))
    algorithm = long_tail.build(f"ldam[max_m={max_m},s={s},normalized={normalized}]")
    # The scale is in the classifier, so the logits arrive scaled.
    np.testing.assert_allclose(long_tail.risks(algorithm, s * long_tail.logits), expected, **EXACT)


@pytest.mark.parametrize("normalized", [False, True])
def test_ldams_logits_are_scaled_in_evaluation_too(normalized: bool, long_tail: Any) -> None:
    algorithm = long_tail.build(f"ldam[s=7,normalized={str(normalized).lower()}]").eval()
    x = torch.randn(3, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = algorithm.features(x).double().numpy()
        logits = algorithm.predict(x).numpy()
    inner = algorithm.classifier.classifier
    weight = inner.weight.detach().double().numpy()
    if normalized:
        lengths = np.linalg.norm(features, axis=1)[:, None] * np.linalg.norm(weight, axis=1)
        expected = 7 * features @ weight.T / lengths
    else:
        expected = 7 * (features @ weight.T + inner.bias.detach().double().numpy())
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


def test_ldam_defers_its_weights(long_tail: Any) -> None:
    algorithm = long_tail.build("ldam[drw=true,drw_start=0.5,max_m=0,s=1]", steps=10)
    weights = np.array(
        [mean_one_over_present(lambda n: 1e-4 / (1 - 0.9999**n), row) for row in long_tail.counts]
    )[long_tail.d, long_tail.y]
    for step, expected_weights in ((4, np.ones(8)), (5, weights), (9, weights)):
        algorithm.before_step(step, training=None)  # type: ignore[arg-type]
        expected = domain_means(long_tail, plain(long_tail), expected_weights)
        np.testing.assert_allclose(long_tail.risks(algorithm), expected, **EXACT)


def test_equalization_masks_the_tail(long_tail: Any) -> None:
    # By hand, at most 5 % of a domain's images: of 137 in the first no class that is there, and
    # class 3, which is absent; of 471 in the second class 0 (2) and class 1 (2 + 9 = 11).
    tail = np.array([[False, False, False, True], [True, True, False, False]])

    # γ = 1 masks always.
    def loss(z: NDArray[Any], y: int, d: int) -> float:
        kept = [np.exp(z[k]) for k in range(4) if k == y or not tail[d, k]]
        return float(-np.log(np.exp(z[y]) / sum(kept)))

    algorithm = long_tail.build("equalization[gamma=1]")
    np.testing.assert_array_equal(algorithm.tail.numpy(), tail)
    expected = domain_means(long_tail, image_losses(long_tail, loss), np.ones(8))
    np.testing.assert_allclose(long_tail.risks(algorithm), expected, **EXACT)


def test_equalization_masks_with_probability_gamma(long_tail: Any) -> None:
    algorithm = long_tail.build("equalization[gamma=0.3]")
    algorithm.generator.manual_seed(5)
    logits = torch.zeros(4000, 4)
    y = torch.full((4000,), 3)
    batch = type(long_tail.batch())(torch.zeros(4000, 1), y, torch.ones(4000, dtype=torch.int64))
    # Of four equal logits two may be masked: the mean of log(4 − masked) over the draws.
    expected = 0.49 * math.log(4) + 0.42 * math.log(3) + 0.09 * math.log(2)
    assert float(algorithm.risks(logits, batch)) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("prior", ["class", "pair"])
def test_logit_adjust(prior: str, tau: float, long_tail: Any) -> None:
    def loss(z: NDArray[Any], y: int, d: int) -> float:
        n = long_tail.counts.sum(0) if prior == "class" else long_tail.counts[d]
        weighted = (n / n.sum()) ** tau * np.exp(z)
        return float(-np.log(weighted[y] / weighted.sum()))

    expected = domain_means(long_tail, image_losses(long_tail, loss), np.ones(8))
    found = long_tail.risks(long_tail.build(f"logit-adjust[tau={tau},prior={prior}]"))
    np.testing.assert_allclose(found, expected, **EXACT)


@pytest.mark.parametrize(("gamma", "tau"), [(0.3, 1.0), (0.15, 0.0), (0.0, 1.25)])
def test_vs_loss(gamma: float, tau: float, long_tail: Any) -> None:
    def loss(z: NDArray[Any], y: int, d: int) -> float:
        n = long_tail.counts[d]
        there = [k for k in range(4) if n[k] > 0]
        terms = {k: (n[k] / n.max()) ** gamma * z[k] + tau * np.log(n[k] / n.sum()) for k in there}
        return float(np.log(sum(np.exp(list(terms.values())))) - terms[y])

    expected = domain_means(long_tail, image_losses(long_tail, loss), np.ones(8))
    found = long_tail.risks(long_tail.build(f"vs-loss[gamma={gamma},tau={tau}]"))
    np.testing.assert_allclose(found, expected, **EXACT)
