"""Images are mixed with others of their domain, and the loss is that of both labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_augmentations.mixup import Mixup
from scipy import stats
from torchvision.transforms import v2

from ltbench.api import Batch, MixedLabels
from ltbench.data.augmentation import AugmentationChain, partners
from ltbench.testing import build_algorithm, random_batch, train_info


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_partners_are_of_the_same_domain_and_each_serves_once() -> None:
    for seed in range(20):
        found = partners(12, 3, seeded(seed))
        assert torch.equal(found // 4, torch.arange(12) // 4)
        assert found.unique().numel() == 12


def test_every_pair_of_a_domain_is_equally_likely() -> None:
    counts = np.zeros((4, 4), dtype=int)
    for seed in range(2000):
        found = partners(8, 2, seeded(seed))[4:] - 4
        counts[np.arange(4), found.numpy()] += 1
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [1.0, 0.2])
def test_the_share_of_mixup_is_torchvisions(alpha: float) -> None:
    mixup, x = Mixup(Mixup.HParams(alpha=alpha), (1, 2, 2)), torch.zeros(1, 1, 2, 2)
    ours = [float(mixup.mix(x, x, seeded(seed))[1]) for seed in range(4000)]
    torch.manual_seed(0)
    transform = v2.MixUp(alpha=alpha, num_classes=2)
    theirs = [transform.make_params([x])["lam"] for _ in range(4000)]
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3


def test_mixup_blends_by_its_share() -> None:
    mixup = Mixup(Mixup.HParams(), (3, 5, 5))
    x, others = torch.rand(2, 4, 3, 5, 5, generator=seeded())
    found, share = mixup.mix(x, others, seeded())
    expected = float(share) * x.numpy() + (1 - float(share)) * others.numpy()
    assert np.allclose(found.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["mixup", "cutmix", "crop-flip>mixup>random-erasing"])
def test_a_chain_gives_the_classes_of_what_was_mixed_in(name: str) -> None:
    """Each image has the colour of its class, so the mixture tells both classes and the share."""
    y = torch.tensor([0, 1, 2, 0, 3, 4, 5, 3])  # two domains of other classes
    images = (y * 40).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 16, 16).contiguous()
    sizes = torch.full((8, 2), 16)
    chain = AugmentationChain(name, (3, 16, 16))
    for seed in range(10):
        x, mixed = chain(images, sizes, y, 2, seeded(seed))
        assert isinstance(mixed, MixedLabels)
        assert set(mixed.y[:4].tolist()) <= {0, 1, 2}
        assert set(mixed.y[4:].tolist()) <= {3, 4, 5}
        if ">" not in name:
            colours = x.mean((1, 2, 3)) * 255 / 40
            assert torch.allclose(colours, mixed.share * y + (1 - mixed.share) * mixed.y, atol=1e-3)


def test_chains_that_do_not_mix_give_no_second_classes() -> None:
    images = torch.zeros(4, 3, 16, 16, dtype=torch.uint8)
    for name in ("none", "crop-flip>cutout"):
        chain = AugmentationChain(name, (3, 16, 16))
        assert chain(images, torch.full((4, 2), 16), torch.arange(4), 2, seeded())[1] is None


def mixed_batch(model) -> Batch:
    """Return a batch of the small data set's shape, mixed by mixup."""
    batch = random_batch(model.train_info)
    images = (batch.x.clamp(-1, 1) * 127 + 128).to(torch.uint8)
    sizes = torch.full((len(batch), 2), images.shape[-1])
    chain = AugmentationChain("mixup", tuple(batch.x.shape[1:]))
    x, mixed = chain(images, sizes, batch.y, batch.num_domains, seeded(3))
    return Batch(x, batch.y, batch.d, mixed=mixed)


def test_erm_with_mixup_is_what_numpy_computes() -> None:
    model = build_algorithm("erm", train_info()).eval()
    batch = mixed_batch(model)
    assert batch.mixed is not None
    logits = model.predict(batch.x).detach().double().numpy()
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    share, every = float(batch.mixed.share), np.arange(len(batch))
    targets = np.zeros_like(logits)
    np.add.at(targets, (every, batch.y.numpy()), share)
    np.add.at(targets, (every, batch.mixed.y.numpy()), 1 - share)
    nll = -(targets * log_p).sum(1)
    domains = [nll[batch.d.numpy() == d].mean() for d in np.unique(batch.d.numpy())]
    assert 0.05 < share < 0.95
    assert model.loss(batch).item() == pytest.approx(np.mean(domains), rel=1e-5)


def test_by_domain_keeps_the_mixed_labels() -> None:
    model = build_algorithm("erm", train_info()).eval()
    batch = mixed_batch(model)
    parts = list(batch.by_domain())
    assert torch.equal(torch.cat([part.mixed.y for part in parts]), batch.mixed.y)
    assert all(part.mixed.share is batch.mixed.share for part in parts)
    risks = torch.stack([model.loss(part) for part in parts])
    assert torch.allclose(risks.mean(), model.loss(batch), rtol=1e-5)
