"""The augmentation of contrastive views."""

from __future__ import annotations

import pytest
import torch
from ltbench_augmentations.blur import blurred
from ltbench_augmentations.photo import Photo
from ltbench_augmentations.simclr import SimCLR, SimCLRHParams
from torch.nn import functional as F


def images(n: int = 200, channels: int = 3, side: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randint(256, (n, channels, side, side), generator=generator(5), dtype=torch.uint8)
    return x, torch.full((n, 2), side)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_share_of_the_images_is_jittered() -> None:
    photo = Photo((1.0, 1.0), (0.4, 0.4, 0.4, 0.1), 0.0, share=0.8)
    draws = photo.draw(images(4000)[1], 16, generator())
    still = (draws.factors == torch.tensor([1.0, 1.0, 1.0, 0.0])).all(1)
    assert float(still.float().mean()) == pytest.approx(0.2, abs=0.03)
    moved = draws.factors[~still]
    assert float((moved[:, :3] - 1).abs().max()) <= 0.4
    assert float(moved[:, 3].abs().max()) <= 0.1


def test_draws_are_as_before_where_all_images_are_jittered() -> None:
    sizes = images()[1]
    one = Photo((0.7, 1.0), (0.3, 0.3, 0.3, 0.3), 0.1).draw(sizes, 16, generator())
    other = Photo((0.7, 1.0), (0.3, 0.3, 0.3, 0.3), 0.1, share=1.0).draw(sizes, 16, generator())
    assert all(a.equal(b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_for_images_with_and_without_colour(channels: int) -> None:
    x, sizes = images(channels=channels)
    found = SimCLR(SimCLRHParams(blur=0.5), (channels, 12, 12)).crop(x, sizes, generator())
    assert found.shape == (200, channels, 12, 12)
    assert 0 <= float(found.min()) <= float(found.max()) <= 1


def test_blur_is_a_gaussian_of_each_image() -> None:
    x = torch.rand(3, 2, 9, 11, generator=generator())
    deviations = torch.tensor([0.1, 0.9, 2.0])
    found = blurred(x, deviations)
    assert torch.allclose(found[0], x[0], atol=1e-6)  # narrower than a pixel
    for image, wide, ours in zip(x, deviations, found, strict=True):
        window = torch.exp(-(torch.arange(-6, 7) ** 2) / (2 * wide**2))
        kernel = torch.outer(window, window) / window.sum() ** 2
        padded = F.pad(image[:, None], (6, 6, 6, 6), mode="replicate")
        assert torch.allclose(F.conv2d(padded, kernel[None, None])[:, 0], ours, atol=1e-5)


def test_a_share_of_the_images_is_blurred() -> None:
    x, sizes = images(1000)
    still = {"area": 1.0, "jitter": 0.0, "grey": 0.0}
    sharp, soft = (
        SimCLR(SimCLRHParams(**still, blur=blur), (3, 16, 16)).crop(x, sizes, generator())
        for blur in (0.0, 0.3)
    )
    changed = (sharp - soft).abs().flatten(1).amax(1) > 1e-4
    assert 0.2 < float(changed.float().mean()) < 0.35
