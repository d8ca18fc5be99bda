"""What the augmentations draw has the distributions that the protocols name."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from ltbench_augmentations.crops import CROP_RATIO, random_crops
from ltbench_augmentations.photo import Photo
from PIL import Image
from scipy import stats
from torchvision.transforms import v2

from ltbench.data.augmentation import AugmentationChain
from ltbench.errors import UsageError
from ltbench.plugins.augmentation import plain


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def augmentation(name: str, channels: int = 3) -> Callable[..., torch.Tensor]:
    def augment(images, sizes, side, generator):
        chain = AugmentationChain(name, (channels, side, side))
        y = torch.zeros(len(images), dtype=torch.int64)
        return chain(images, sizes, y, 1, generator)[0]

    return augment


crop_flip = augmentation("crop-flip")
PHOTO = AugmentationChain("photo", (3, 224, 224)).parts[0].photo
assert isinstance(PHOTO, Photo)


def test_the_protocols_settings() -> None:
    assert (PHOTO.area, PHOTO.jitter, PHOTO.grey) == ((0.7, 1.0), (0.3, 0.3, 0.3, 0.3), 0.1)
    with pytest.raises(UsageError, match="did you mean 'photo'"):
        AugmentationChain("foto", (3, 32, 32))


@pytest.mark.parametrize("size", [(3750, 5000), (2240, 2240), (6000, 4000)])
def test_crops_are_those_of_torchvision(size: tuple[int, int]) -> None:
    """Areas and aspect ratios, in pixels of the original, as RandomResizedCrop draws them."""
    height, width = size
    n = 4000
    scale, centre = random_crops(torch.tensor([size] * n), (0.7, 1.0), seeded())
    area = scale.double().prod(1).numpy()
    ratio = (scale[:, 0] * width / (scale[:, 1] * height)).double().numpy()
    torch.manual_seed(0)
    image = torch.empty(1, 1, 1).expand(1, height, width)
    theirs = [_params(image) for _ in range(n)]
    their_area = np.array([h * w / (height * width) for _, _, h, w in theirs])
    their_ratio = np.array([w / h for _, _, h, w in theirs])
    # Where no draw fits the crop is the same each time, but for rounding to pixels.
    assert stats.ks_2samp(area.round(3), their_area.round(3)).pvalue > 1e-3
    assert stats.ks_2samp(ratio.round(3), their_ratio.round(3)).pvalue > 1e-3
    assert (centre.abs() + scale <= 1 + 1e-5).all()
    left = ((centre[:, 0] - scale[:, 0] + 1) / 2 * width).numpy()
    assert stats.ks_2samp(left, np.array([x for _, x, _, _ in theirs])).pvalue > 1e-3


def _params(image: torch.Tensor) -> tuple[int, int, int, int]:
    crop = v2.RandomResizedCrop(224, scale=(0.7, 1.0))
    found = crop.make_params([image])
    return found["top"], found["left"], found["height"], found["width"]


def test_a_crop_that_never_fits_is_the_largest_central_one() -> None:
    scale, centre = random_crops(torch.tensor([[10, 1000]] * 5), (0.9, 1.0), seeded())
    assert torch.allclose(scale[:, 0] * 1000, scale[:, 1] * 10 * CROP_RATIO[1])
    assert (centre == 0).all()


def edges(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images that are dark on the left and bright on the right."""
    images = torch.zeros(n, 3, 64, 64, dtype=torch.uint8)
    images[..., 32:] = 255
    return images, torch.full((n, 2), 64)


def test_half_of_the_images_are_flipped() -> None:
    x = Photo((0.7, 1.0), (0, 0, 0, 0), 0.0)(*edges(2000), 16, seeded())
    flipped = (x[..., 0].mean((1, 2)) > 0.5).sum().item()
    assert stats.binomtest(flipped, 2000, 0.5).pvalue > 1e-3


def test_one_in_ten_loses_its_colour() -> None:
    images = torch.zeros(3000, 3, 8, 8, dtype=torch.uint8)
    images[:, 0] = 200
    x = Photo((0.7, 1.0), (0, 0, 0, 0), 0.1)(images, torch.full((3000, 2), 8), 8, seeded())
    grey = (x[:, 0] == x[:, 1]).all((1, 2)).sum().item()
    assert stats.binomtest(grey, 3000, 0.1).pvalue > 1e-3
    assert torch.allclose(x[:, 0].max(), torch.tensor(200 / 255))


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_factors_are_uniform_from_seven_to_thirteen_tenths(kind: int) -> None:
    """Each factor is read back from the pixels that it changed."""
    widths = [0.0] * 4
    widths[kind] = 0.3
    images = torch.empty(2000, 3, 4, 4, dtype=torch.uint8)
    images[:] = torch.tensor([120, 100, 80])[:, None, None]
    images[:, :, :2] //= 2
    x = Photo((1.0, 1.0), tuple(widths), 0.0)(images, torch.full((2000, 2), 4), 4, seeded())
    if kind == 0:
        factor = x[:, 0].mean((1, 2)) / (90 / 255)
    elif kind == 1:
        factor = (x[:, 0].amax((1, 2)) - x[:, 0].amin((1, 2))) / (60 / 255)
    else:
        factor = (x[:, 0] - x[:, 2]).amax((1, 2)) / (40 / 255)
    assert stats.kstest(factor.numpy(), stats.uniform(0.7, 0.6).cdf).pvalue > 1e-3


def test_the_hue_turns_by_up_to_three_tenths() -> None:
    images = torch.zeros(2000, 3, 2, 2, dtype=torch.uint8)
    images[:, 0] = 255
    x = Photo((1.0, 1.0), (0, 0, 0, 0.3), 0.0)(images, torch.full((2000, 2), 2), 2, seeded())
    r, g, b = x[:, :, 0, 0].T
    turn = torch.atan2(math.sqrt(3) * (g - b), 2 * r - g - b) / (2 * math.pi)
    assert turn.abs().max() <= 0.3 + 0.01
    # The angle on the hexagon is not the angle on the circle, but its sign and quarters are.
    assert stats.binomtest(int((turn > 0).sum()), 2000, 0.5).pvalue > 1e-3
    sixth = int((turn.abs() > 1 / 6).sum())
    assert stats.binomtest(sixth, 2000, (0.3 - 1 / 6) / 0.3).pvalue > 1e-3


def test_each_image_has_parameters_of_its_own_and_the_generator_fixes_them() -> None:
    images = torch.randint(0, 256, (1, 3, 96, 96), dtype=torch.uint8).expand(8, -1, -1, -1)
    sizes = torch.full((8, 2), 96)
    for name in ("photo", "imagenet", "crop-flip"):
        augment = augmentation(name)
        x = augment(images, sizes, 64, seeded())
        assert len({image.numpy().tobytes() for image in x}) == 8
        assert torch.equal(x, augment(images, sizes, 64, seeded()))
        assert not torch.equal(x, augment(images, sizes, 64, seeded(1)))
        assert x.min() >= 0
        assert x.max() <= 1


def test_shifts_of_cifar() -> None:
    images = torch.zeros(4000, 1, 32, 32, dtype=torch.uint8)
    images[:, :, 16, 16] = 255
    x = crop_flip(images, torch.full((4000, 2), 32), 32, seeded())
    place = x.flatten(1).argmax(1)
    rows, columns = place // 32, place % 32
    assert set(rows.tolist()) == set(range(12, 21))
    assert stats.chisquare(np.bincount(rows.numpy())[12:]).pvalue > 1e-3
    # Unmirrored 16 - shift, mirrored 15 + shift: the two ranges overlap but for their ends.
    assert set(columns.tolist()) == set(range(11, 21))
    assert x.amax((1, 2, 3)).eq(1).all()


def test_the_cifar_border_is_black() -> None:
    images = torch.full((200, 3, 32, 32), 255, dtype=torch.uint8)
    x = crop_flip(images, torch.full((200, 2), 32), 32, seeded())
    assert set(x.unique().tolist()) == {0.0, 1.0}


def test_the_cached_path_is_near_the_direct_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Cropping the stored square differs from cropping the original by about a grey level."""
    height, width = 375, 500
    y, x = np.mgrid[:height, :width] / 40
    waves = [np.sin(x * (1 + c / 3)) * np.cos(y * (1 + c / 2)) for c in range(3)]
    original = ((np.stack(waves, -1) + 1) * 127).astype(np.uint8)
    image = Image.fromarray(original)
    stored = np.asarray(image.resize((288, 288), Image.Resampling.BILINEAR))
    images = torch.from_numpy(stored.transpose(2, 0, 1).copy())[None].expand(16, -1, -1, -1)
    sizes = torch.tensor([[height, width]] * 16)
    crop_only = Photo((0.7, 1.0), (0, 0, 0, 0), 0.0)
    cached = crop_only(images, sizes, 224, seeded())
    scale, centre = random_crops(sizes, (0.7, 1.0), seeded())
    differences = []
    for i in range(16):
        (w, h), (cx, cy) = scale[i].tolist(), centre[i].tolist()
        left, top = (cx - w + 1) / 2 * width, (cy - h + 1) / 2 * height
        box = (left, top, left + w * width, top + h * height)
        direct = image.resize((224, 224), Image.Resampling.BILINEAR, box=box)
        direct = np.asarray(direct).transpose(2, 0, 1) / 255
        straight, mirrored = (
            np.abs(cached[i].numpy() - d).mean() for d in (direct, direct[..., ::-1])
        )
        differences.append(min(straight, mirrored))
    with capsys.disabled():
        print(f" [mean difference {np.mean(differences) * 255:.2f} of 255]", end="")
    assert np.mean(differences) < 2 / 255


def test_evaluation_resizes_as_torchvision_does() -> None:
    images = torch.randint(0, 256, (2, 3, 288, 288), dtype=torch.uint8)
    theirs = v2.functional.resize(images.float() / 255, [224, 224], antialias=True)
    assert torch.allclose(plain(images, 224), theirs, atol=1e-5)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
def test_whole_images_are_resized_as_for_evaluation(interpolation: str) -> None:
    images = torch.randint(0, 256, (4, 3, 40, 40), dtype=torch.uint8)
    sizes, y = torch.full((4, 2), 40), torch.zeros(4, dtype=torch.int64)
    expected = plain(images, 32, interpolation)
    for name in ("none", "cutout[size=1]", "mixup"):
        chain = AugmentationChain(name, (3, 32, 32), interpolation)
        x, _ = chain(images, sizes, y, 4, seeded())
        same = (x == expected).all(1).float().mean((1, 2))
        assert (same >= 1 - 1 / 32**2).all()
    shifted, _ = AugmentationChain("crop-flip", (3, 32, 32), interpolation)(
        images, sizes, y, 1, seeded()
    )
    values = set(expected.unique().tolist()) | {0.0}
    assert set(shifted.unique().tolist()) <= values


def test_one_channel_images_pass_through_every_augmentation() -> None:
    images = torch.randint(0, 256, (3, 1, 40, 40), dtype=torch.uint8)
    for name in ("none", "crop-flip", "photo", "imagenet"):
        augment = augmentation(name, channels=1)
        assert augment(images, torch.full((3, 2), 40), 32, seeded()).shape == (3, 1, 32, 32)


def test_images_of_one_pixel_and_extreme_shapes() -> None:
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    x = PHOTO(images, torch.tensor([[1, 1], [1, 5000]]), 32, seeded())
    assert torch.isfinite(x).all()
