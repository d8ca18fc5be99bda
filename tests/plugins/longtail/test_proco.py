"""ProCo, against NumPy code written from its paper."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import ive

from ltbench.testing import SmallTraining, build_algorithm, random_batch_for, train_info

COUNTS = [[12, 6, 3, 0], [1, 3, 5, 8], [9, 2, 4, 1]]


def log_inverse_c(kappa: NDArray[Any], dimensions: int) -> NDArray[Any]:
    order = dimensions / 2 - 1
    return np.log(ive(order, kappa)) + kappa - order * np.log(kappa)


def contrast_by_loops(
    v: NDArray[Any], seen: list[NDArray[Any]], tau: float, *, corrected: bool = True
) -> NDArray[Any]:
    """Return the contrastive logits, of the projections that were seen of each class."""
    dimensions = v.shape[1]
    logits = np.zeros((len(v), len(seen)))
    for c, members in enumerate(seen):
        mean = members.mean(0)
        length = np.linalg.norm(mean)
        top = dimensions - length**2 if corrected else dimensions
        kappa = min(length * top / (1 - length**2), 1e5)
        for i, one in enumerate(v):
            together = np.linalg.norm(kappa * mean / length + one / tau)
            logits[i, c] = log_inverse_c(together, dimensions) - log_inverse_c(kappa, dimensions)
    return logits


def unit(values: NDArray[Any]) -> NDArray[Any]:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def crossed(logits: NDArray[Any], y: NDArray[Any], d: NDArray[Any]) -> float:
    """Return the mean of the cross-entropy on logits + log n[d, c]."""
    n = np.array(COUNTS, dtype=float)
    losses = []
    for z, label, domain in zip(logits, y, d, strict=True):
        weighted = n[domain] * np.exp(z - z.max())
        losses.append(-np.log(weighted[label] / weighted.sum()))
    return float(np.mean(losses))


@pytest.mark.parametrize("corrected", [True, False])
def test_logits_by_loops(corrected: bool) -> None:
    rng = np.random.default_rng(3)
    options = f"width=6,temperature=0.3,corrected={str(corrected).lower()}"
    model = build_algorithm(f"proco[{options}]", train_info(COUNTS))
    seen = [unit(rng.normal(c, 2, (5 + c, 6))) for c in range(4)]
    for c, members in enumerate(seen):
        model.observe(torch.tensor(members).float(), torch.full((len(members),), c))
    v = unit(rng.normal(size=(7, 6)))
    found = model.contrast(torch.tensor(v).float(), *model.directions()).numpy()
    expected = contrast_by_loops(v, seen, 0.3, corrected=corrected)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_logits_are_those_of_infinitely_many_images() -> None:
    """In three dimensions E exp(v·x/τ) over the sphere is an integral over one angle."""
    model = build_algorithm("proco[width=3,temperature=0.5]", train_info(COUNTS))
    mean = torch.tensor([[0.0, 0.0, 1.0]])
    model.observe(0.6 * mean, torch.tensor([2]))
    _, kappas = model.directions()
    kappa = kappas[2].item()
    for cosine in (-1.0, 0.2, 1.0):
        v = torch.tensor([[np.sqrt(1 - cosine**2), 0.0, cosine]]).float()

        def around(t: float, cosine: float = cosine) -> float:
            # The angle about the mean integrates to the Bessel function of order 0.
            side = np.sqrt((1 - t**2) * (1 - cosine**2)) / 0.5
            return np.exp(kappa * t + cosine * t / 0.5) * np.i0(side)

        density = quad(lambda t: np.exp(kappa * t), -1, 1)[0]
        expected = np.log(quad(around, -1, 1)[0] / density)
        found = model.contrast(v, *model.directions())[0, 2].item()
        assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("estimate", ["previous", "running"])
def test_the_loss_of_two_epochs_by_loops(estimate: str) -> None:
    info = train_info(COUNTS, batch_per_domain=9)  # two steps an epoch
    assert info.steps_per_epoch == 2
    model = build_algorithm(f"proco[weight=0.7,width=5,estimate={estimate}]", info)
    model.optimizers = {}  # the network stays as it is
    before: list[list[NDArray[Any]]] = [[] for _ in range(4)]
    now: list[list[NDArray[Any]]] = [[] for _ in range(4)]
    for step in range(5):
        batch = random_batch_for(model, seed=step)
        model.before_step(step, SmallTraining(model, batch))
        if step in (2, 4):
            before = [new or old for new, old in zip(now, before, strict=True)]
            now = [[] for _ in range(4)]
        with torch.no_grad():
            features = model.features(torch.cat(batch.views))
            z = model.classifier(features[: len(batch)]).double().numpy()
            projected = model.projection(features).double().numpy()
        y, d = batch.y.numpy(), batch.d.numpy()
        contrast = []
        for v in np.split(unit(projected), 3)[1:]:
            for one, label in zip(v, y, strict=True):
                now[label].append(one)
            known = [
                np.array((old + new) if estimate == "running" else (old or new))
                for old, new in zip(before, now, strict=True)
            ]
            assert all(len(members) for members in known)
            contrast.append(crossed(contrast_by_loops(v, known, 0.1), y, d))
        found = {key: value.item() for key, value in model.loss(batch).items()}
        assert found["ce"] == pytest.approx(crossed(z, y, d), rel=1e-5)
        assert found["contrast"] == pytest.approx(np.mean(contrast), rel=1e-3)
        assert found["total"] == pytest.approx(found["ce"] + 0.7 * found["contrast"], rel=1e-6)


def test_a_class_that_was_never_seen_is_uniform() -> None:
    model = build_algorithm("proco[width=4]", train_info(COUNTS))
    v = torch.eye(4)
    model.observe(v[:2], torch.tensor([0, 1]))
    logits = model.contrast(v, *model.directions())
    assert bool(logits.isfinite().all())
    assert logits[:, 3].unique().numel() == 1  # the same whichever way an image points
    assert logits[0, 0] > logits[1, 0]
    _, kappa = model.directions()
    assert kappa.tolist() == [1e5, 1e5, 0, 0]


def test_an_epoch_that_did_not_draw_a_class_keeps_what_was_known_of_it() -> None:
    model = build_algorithm("proco[width=2]", train_info(COUNTS))
    one, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    model.observe(torch.cat([one, one]), torch.tensor([0, 1]))
    model.end_epoch()
    model.observe(other, torch.tensor([0]))
    assert model.directions()[0][:2].tolist() == [[1, 0], [1, 0]]
    model.end_epoch()
    assert model.directions()[0][:2].tolist() == [[0, 1], [1, 0]]


def test_without_contrast_it_is_bsoftmax() -> None:
    info = train_info(COUNTS)
    proco, bsoftmax = build_algorithm("proco[weight=0]", info), build_algorithm("bsoftmax", info)
    bsoftmax.load_state_dict(proco.state_dict(), strict=False)
    batch = random_batch_for(proco)
    batch = replace(batch, views=(batch.x,) * 3)  # one batch's statistics of normalisation
    assert proco.loss(batch)["total"].item() == pytest.approx(bsoftmax.loss(batch).item(), rel=1e-5)


def test_contrast_teaches_the_network_and_not_the_distributions() -> None:
    model = build_algorithm("proco[scale=30]", train_info(COUNTS))
    model.loss(random_batch_for(model))["contrast"].backward()
    for module in (model.backbone, model.projection):
        assert any(p.grad is not None and bool(p.grad.any()) for p in module.parameters())
    assert not any(buffer.requires_grad for buffer in model.buffers())
    assert model.classifier.scale == 30
