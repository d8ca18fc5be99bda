from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from ltbench_augmentations.growing_crop import GrowingCrop, square_crops

from ltbench.data.augmentation import AugmentationChain
from ltbench.session.plan import Request, plan_runs
from ltbench.testing.small_data import NAME, register_small_data
from ltbench.testing.small_run import carry_out


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("course", "risen"),
    [
        ("convex", lambda t: 1 - math.sqrt(1 - t * t)),
        ("linear", lambda t: t),
        ("concave", lambda t: math.sqrt(1 - (1 - t) ** 2)),
    ],
)
@pytest.mark.parametrize("t", [0.0, 0.3, 0.9, 1.0])
def test_the_least_area_rises(course, risen, t):
    crop = GrowingCrop(GrowingCrop.HParams(course=course), (3, 8, 8))
    crop.progress = t
    assert crop.least == pytest.approx(0.08 + 0.92 * risen(t))


@pytest.mark.parametrize("size", [(40, 40), (30, 60), (90, 20)])
@pytest.mark.parametrize("least", [0.08, 0.5, 1.0])
def test_crops_are_squares_of_uniform_area_within_the_image(size, least):
    scale, centre = square_crops(torch.tensor([size] * 4000), least, seeded())
    pixels = scale * torch.tensor([size[1], size[0]])
    torch.testing.assert_close(pixels[:, 0], pixels[:, 1], rtol=1e-5, atol=1e-3)
    whole = min(size) ** 2 / (size[0] * size[1])
    areas = scale.prod(1).numpy()
    low = min(least, whole)
    assert low - 1e-6 <= areas.min()
    assert areas.max() <= whole + 1e-6
    assert np.mean(areas) == pytest.approx((low + whole) / 2, abs=0.01)
    assert bool((centre.abs() + scale <= 1 + 1e-5).all())


def test_at_the_end_square_images_are_whole():
    images = torch.randint(0, 256, (40, 3, 8, 8), dtype=torch.uint8, generator=seeded(3))
    crop = GrowingCrop(GrowingCrop.HParams(), (3, 8, 8))
    crop.progress = 1.0
    found = crop.crop(images, torch.full((40, 2), 8), seeded())
    torch.testing.assert_close(found, images.float() / 255, rtol=0, atol=1e-5)


def test_both_ways_of_the_crop_give_the_same():
    images = torch.randint(0, 256, (6, 3, 12, 12), dtype=torch.uint8, generator=seeded(3))
    crop = GrowingCrop(GrowingCrop.HParams(), (3, 8, 8))
    sizes = torch.tensor([[12, 12], [20, 10], [7, 30]] * 2)
    one = crop.crop(images, sizes, seeded(1))
    crop.photo.__class__.one_by_one, kept = crop.photo.at_once.__func__, crop.photo.one_by_one
    try:
        other = crop.crop(images, sizes, seeded(1))
    finally:
        crop.photo.__class__.one_by_one = kept.__func__
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_augmentations_know_how_far_the_training_is(tmp_path, monkeypatch):
    register_small_data()
    seen = []
    call = AugmentationChain.__call__

    def watch(self, *args):
        seen.extend(part.progress for part in self.parts)
        return call(self, *args)

    monkeypatch.setattr(AugmentationChain, "__call__", watch)
    settings = {"augmentation": "growing-crop", "steps": 4, "accumulate": 2}
    request = Request(["erm"], [NAME], [0], "fp32", tmp_path, overrides=settings)
    carry_out(plan_runs(request).specs[0], tmp_path / "run", tmp_path)
    assert seen == [number / 8 for number in range(8)]
