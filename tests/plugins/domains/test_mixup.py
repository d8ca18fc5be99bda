from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_baselines.erm import ERM
from ltbench_domains.mixing import sample_beta
from ltbench_domains.mixup import Mixup
from scipy import stats

from ltbench.api import Batch


def test_shares_are_beta_distributed():
    draws = sample_beta(0.2, 4000, torch.Generator().manual_seed(0))
    assert stats.kstest(draws.numpy(), stats.beta(0.2, 0.2).cdf).pvalue > 0.01


@pytest.mark.parametrize("alpha", [0.09, 0.01, 1e-3, 1e-10, 1e-300])
def test_shares_of_a_small_alpha_are_next_to_none_and_all(alpha):
    """Not one half, as a quotient of numbers that are both too small comes to be."""
    draws = sample_beta(alpha, 40_000, torch.Generator().manual_seed(0)).double().numpy()
    assert draws.mean() == pytest.approx(0.5, abs=0.01)
    assert draws.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), abs=1e-3)
    for width in (1e-4, 0.01, 0.3):
        expected = 1 - 2 * stats.beta(alpha, alpha).cdf(width)
        assert ((width < draws) & (draws < 1 - width)).mean() == pytest.approx(expected, abs=0.01)


def test_other_shares_are_those_of_torchs_sampler():
    """Draws of runs that are done stay what they were."""
    for alpha in (0.1, 0.2, 1.0, 8.0):
        generators = [torch.Generator().manual_seed(4) for _ in range(2)]
        expected = torch._sample_dirichlet(torch.full((9, 2), alpha), generator=generators[0])
        assert sample_beta(alpha, 9, generators[1]).equal(expected[:, 0])


def test_the_loss_is_the_mixed_cross_entropy_of_mixed_images(tiny, cross_entropies, monkeypatch):
    batch, model = tiny.batch(), tiny.algorithm(Mixup)
    shares = torch.tensor([0.3, 0.9, 0.6], dtype=torch.float64)
    monkeypatch.setattr("ltbench_domains.mixup.sample_beta", lambda *_: shares)
    model.generator.manual_seed(5)
    ours = float(model.loss(batch).detach())

    replay = torch.Generator().manual_seed(5)
    circle = torch.randperm(3, generator=replay).tolist()
    orders = torch.rand(3, 6, generator=replay).argsort(1)
    x, y = batch.x.view(3, 6, 3, 2, 2), batch.y.view(3, 6)
    risks = []
    for k, share in enumerate(shares.tolist()):
        i, j = circle[k], circle[(k + 1) % 3]
        mixed = share * x[i] + (1 - share) * x[j][orders[k]]
        logits = model.predict(mixed).detach()
        first = cross_entropies(logits, y[i]).mean()
        second = cross_entropies(logits, y[j][orders[k]]).mean()
        risks.append(share * first + (1 - share) * second)
    assert ours == pytest.approx(np.mean(risks), abs=1e-9)


def test_every_domain_is_once_first_and_once_second(tiny, monkeypatch):
    model, batch = tiny.algorithm(Mixup), tiny.batch()
    seen = []

    def record(logits, part):
        seen.append(part.per_domain(part.d)[:, 0].tolist())
        return torch.ones(3, dtype=torch.float64)

    monkeypatch.setattr(model, "risks", record)
    model.loss(batch)
    first, second = seen
    assert sorted(first) == sorted(second) == [0, 1, 2]
    assert all(i != j for i, j in zip(first, second, strict=True))


def test_identical_images_of_one_class_make_it_erm(tiny):
    image = torch.randn(1, 3, 2, 2, dtype=torch.float64)
    one_class = tiny.batch(single_class=True)
    batch = Batch(image.repeat(18, 1, 1, 1), one_class.y, one_class.d)
    ours = tiny.algorithm(Mixup).loss(batch)
    torch.testing.assert_close(ours, tiny.algorithm(ERM).loss(batch), rtol=1e-6, atol=1e-6)


def test_one_domain_is_mixed_with_itself(tiny):
    assert torch.isfinite(tiny.algorithm(Mixup, domains=1).loss(tiny.batch(domains=1)))
