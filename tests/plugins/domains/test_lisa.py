from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_baselines.erm import ERM
from ltbench_domains.lisa import LISA
from ltbench_domains.mixing import sample_beta
from torch.nn import functional as F

from ltbench.api import Batch


def by_hand(model, batch, seed, same_class):
    """Return each image's partner, drawn and looked for in loops."""
    replay = torch.Generator().manual_seed(seed)
    one_class = float(torch.rand((), generator=replay)) < same_class
    draws = torch.rand(len(batch), len(batch), generator=replay)
    y, d = batch.y.tolist(), batch.d.tolist()
    found = []
    for i in range(len(batch)):
        fitting = [
            j
            for j in range(len(batch))
            if (y[i] == y[j] and d[i] != d[j]) == one_class
            and (y[i] != y[j] and d[i] == d[j]) == (not one_class)
        ]
        found.append(max(fitting, key=lambda j: float(draws[i, j])) if fitting else i)
    return found, replay


@pytest.mark.parametrize("same_class", [0.0, 1.0, 0.5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_mixup_is_the_mixed_cross_entropy_of_blended_partners(
    tiny, cross_entropies, same_class, seed
):
    batch, model = tiny.batch(), tiny.algorithm(LISA, same_class=same_class)
    model.generator.manual_seed(seed)
    ours = float(model.loss(batch).detach())
    partner, replay = by_hand(model, batch, seed, same_class)
    shares = sample_beta(2.0, len(batch), replay).double().tolist()
    losses = []
    for i, (j, share) in enumerate(zip(partner, shares, strict=True)):
        x = share * batch.x[i] + (1 - share) * batch.x[j]
        logits = model.predict(x[None]).detach().repeat(2, 1)
        own, other = cross_entropies(logits, [int(batch.y[i]), int(batch.y[j])])
        losses.append(share * own + (1 - share) * other)
    assert ours == pytest.approx(np.mean(losses), rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_cutmix_puts_one_rectangle_into_all(tiny, seed):
    model = tiny.algorithm(LISA, mix="cutmix", same_class=0.5)
    generator = torch.Generator().manual_seed(8)
    batch = tiny.batch()
    x = torch.randn(18, 3, 12, 10, generator=generator, dtype=torch.float64)
    model.backbone.forward = lambda x: x.mean((2, 3)).repeat(1, 2)[:, :4]
    model.features = model.backbone.forward
    batch = Batch(x, batch.y, batch.d)
    model.generator.manual_seed(seed)
    ours = float(model.loss(batch).detach())

    partner, replay = by_hand(model, batch, seed, 0.5)
    drawn = float(sample_beta(2.0, 1, replay))
    centre = torch.rand(2, generator=replay).tolist()
    mixed, sides = x.clone(), (12, 10)
    ends = []
    for side, place in zip(sides, centre, strict=True):
        half, middle = int(side * np.sqrt(1 - drawn)) // 2, int(side * place)
        ends.append((max(middle - half, 0), min(middle + half, side)))
    (top, bottom), (left, right) = ends
    mixed[:, :, top:bottom, left:right] = x[partner][:, :, top:bottom, left:right]
    share = 1 - (bottom - top) * (right - left) / 120
    logits = model.predict(mixed).detach()
    expected = share * F.cross_entropy(logits, batch.y) + (1 - share) * F.cross_entropy(
        logits, batch.y[partner]
    )
    assert ours == pytest.approx(float(expected), rel=1e-6)


def test_partners_share_the_class_or_the_domain(tiny):
    batch = tiny.batch(images=8)
    for same_class in (0.0, 1.0):
        model = tiny.algorithm(LISA, same_class=same_class)
        partner = model.partners(batch)
        itself = partner == torch.arange(len(batch))
        y, d = batch.y == batch.y[partner], batch.d == batch.d[partner]
        assert bool((y != d)[~itself].all())
        assert bool((y if same_class else d)[~itself].all())
        assert not bool(itself.all())


def test_half_of_the_steps_mix_one_class(tiny):
    batch, model = tiny.batch(), tiny.algorithm(LISA)
    kinds = []
    for _ in range(400):
        partner = model.partners(batch)
        kinds.append(bool((batch.d != batch.d[partner]).any()))
    assert 0.42 < np.mean(kinds) < 0.58


def test_without_partners_it_is_erm(tiny):
    batch = tiny.batch(domains=1, single_class=True)
    model = tiny.algorithm(LISA, domains=1)
    torch.testing.assert_close(model.loss(batch), tiny.algorithm(ERM, domains=1).loss(batch))


def test_one_class_across_domains_keeps_its_label(tiny, cross_entropies):
    batch, model = tiny.batch(single_class=True), tiny.algorithm(LISA, same_class=1.0)
    seen = []
    predict = model.predict
    model.predict = lambda x: seen.append(x) or predict(x)
    ours = float(model.loss(batch).detach())
    expected = cross_entropies(predict(seen[0]).detach(), batch.y).mean()
    assert ours == pytest.approx(expected, rel=1e-9)
    assert not seen[0].equal(batch.x)


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
@pytest.mark.parametrize("loss", ["bsoftmax", "reweight", "ldam"])
def test_with_another_loss_the_risks_are_mixed_domain_by_domain(tiny, mix, loss, monkeypatch):
    batch, model = tiny.batch(), tiny.algorithm(LISA, loss=loss, mix=mix)
    share = torch.tensor([0.2, 0.7, 0.9] if mix == "mixup" else [0.6], dtype=torch.float64)
    monkeypatch.setattr("ltbench_domains.lisa.sample_beta", lambda *_: share)
    seen = []
    risks = model.risks
    model.risks = lambda logits, part: seen.append(risks(logits, part)) or seen[-1]
    total = model.loss(batch)
    own, other = seen
    if mix == "mixup":
        torch.testing.assert_close(total, (share * own + (1 - share) * other).mean())
    assert torch.isfinite(total)
