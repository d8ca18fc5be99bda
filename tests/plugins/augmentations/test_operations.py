"""Each operation does what torchvision's function of that name does, at the same magnitude."""

from __future__ import annotations

import pytest
import torch
from ltbench_augmentations.operations import CHANGES, IDENTITY, OPERATIONS, WARPS, apply
from PIL import Image, ImageOps
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

EXACT = 2e-6
THEIR_NAMES = {
    "shear-x": "ShearX",
    "shear-y": "ShearY",
    "translate-x": "TranslateX",
    "translate-y": "TranslateY",
    "autocontrast": "AutoContrast",
}
SIGNED = {
    "shear-x": 0.3,
    "shear-y": 0.99,
    "translate-x": 14.0,
    "translate-y": 3.0,
    "rotate": 135.0,
    "brightness": 0.9,
    "color": 0.99,
    "contrast": 0.9,
    "sharpness": 0.99,
}
MAGNITUDES = {
    **{name: [-most, -most / 3, 0.0, most / 7, most] for name, most in SIGNED.items()},
    "translate-x": [-14.0, -1.0, 0.0, 5.0, 32.0],
    "translate-y": [-14.0, -1.0, 0.0, 5.0, 32.0],
    "posterize": [8.0, 7.0, 5.0, 3.0, 2.0],
    "solarize": [1.0, 0.7, 0.5, 0.1, 0.0],
    "autocontrast": [0.0] * 5,
    "equalize": [0.0] * 5,
    "invert": [0.0] * 5,
    "identity": [0.0] * 5,
}


def noise(n: int, side: int, channels: int = 3, low: int = 0, high: int = 256) -> torch.Tensor:
    """Return whole grey levels as floats 0…1."""
    generator = torch.Generator().manual_seed(side)
    shape = (n, channels, side, side)
    return torch.randint(low, high, shape, generator=generator).float() / 255


def waves(n: int, side: int) -> torch.Tensor:
    """Return images whose neighbouring pixels are alike, in whole grey levels."""
    line = torch.arange(side) / side * 6
    phases = torch.arange(n * 3).view(n, 3, 1, 1) * 0.7
    found = (line[:, None] + phases).sin() * (line[None, :] * 1.3 - phases).cos()
    return ((found + 1) / 2 * 255).round() / 255


def ours(name: str, x: torch.Tensor, magnitudes: list[float]) -> torch.Tensor:
    numbers = torch.full((len(x), 1), OPERATIONS.index(name))
    return apply(x, numbers, torch.tensor(magnitudes)[:, None])


def theirs(name: str, x: torch.Tensor, magnitude: float) -> torch.Tensor:
    called = THEIR_NAMES.get(name, name.capitalize())
    call = v2.RandAugment()._apply_image_or_video_transform
    return call(x, called, magnitude, v2.InterpolationMode.NEAREST, {torch.Tensor: None})


CHANGED = [one.__name__ for one in CHANGES]


@pytest.mark.parametrize("side", [32, 33])
@pytest.mark.parametrize("name", sorted(set(CHANGED) - {"posterize", "equalize"}))
def test_changes_of_colour_are_torchvisions_on_floats(name: str, side: int) -> None:
    for x in (noise(5, side), waves(5, side), noise(5, side, low=90, high=140)):
        found = ours(name, x, MAGNITUDES[name])
        for image, one, magnitude in zip(x, found, MAGNITUDES[name], strict=True):
            assert torch.allclose(one, theirs(name, image, magnitude), rtol=0, atol=EXACT)


@pytest.mark.parametrize("name", ["posterize", "equalize", "solarize", "invert"])
def test_what_counts_grey_levels_is_torchvisions_on_whole_ones(name: str) -> None:
    """On floats torchvision keeps 2^bits levels of equal width; Pillow, and the papers, keep bits.

    It equalises floats after rounding them down, which moves some grey levels by one.
    """
    for x in (noise(5, 32), waves(5, 31), noise(5, 8), noise(5, 16, low=90, high=140)):
        found = ours(name, x, MAGNITUDES[name])
        for image, one, magnitude in zip(x, found, MAGNITUDES[name], strict=True):
            levels = (image * 255).round().to(torch.uint8)
            expected = theirs(name, levels, magnitude).float() / 255
            assert torch.allclose(one, expected, rtol=0, atol=EXACT)


@pytest.mark.parametrize("name", ["brightness", "color", "contrast", "sharpness", "autocontrast"])
def test_the_others_differ_from_grey_levels_by_their_rounding(name: str) -> None:
    """torchvision cuts uint8 off after the operation, and contrast's mean before it: two levels."""
    x = waves(5, 32)
    for image, one, magnitude in zip(
        x, ours(name, x, MAGNITUDES[name]), MAGNITUDES[name], strict=True
    ):
        expected = theirs(name, (image * 255).round().to(torch.uint8), magnitude).float() / 255
        assert (one - expected).abs().max() <= 2 / 255


@pytest.mark.parametrize("side", [32, 45, 224])
@pytest.mark.parametrize("name", [one.__name__.replace("_", "-") for one in WARPS])
def test_warps_are_torchvisions(name: str, side: int) -> None:
    """But for pixels that come from the middle between two, where rounding decides."""
    x = noise(5, side)
    found = ours(name, x, MAGNITUDES[name])
    for image, one, magnitude in zip(x, found, MAGNITUDES[name], strict=True):
        expected = theirs(name, image, magnitude)
        differ = (one != expected).any(0).float().mean()
        assert differ <= (0.005 if "shear" in name or name == "rotate" else 0), magnitude
    assert torch.equal(found[2], x[2])


def test_equalize_and_autocontrast_are_pillows_too() -> None:
    x = waves(3, 40)
    for name, theirs in (("equalize", ImageOps.equalize), ("autocontrast", ImageOps.autocontrast)):
        for image, one in zip(x, ours(name, x, [0.0] * 3), strict=True):
            levels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
            expected = F.pil_to_tensor(theirs(Image.fromarray(levels))).float() / 255
            assert (one - expected).abs().max() <= (EXACT if name == "equalize" else 1.01 / 255)


def test_every_image_has_its_own_operations_and_magnitudes() -> None:
    """All operations at once, two an image, are those done one by one."""
    names = list(MAGNITUDES)
    generator = torch.Generator().manual_seed(0)
    n = 60
    x = noise(n, 32)
    numbers = torch.randint(len(OPERATIONS), (n, 2), generator=generator)
    picks = torch.randint(5, (n, 2), generator=generator)
    magnitudes = torch.tensor(
        [
            [MAGNITUDES[OPERATIONS[k]][p] for k, p in zip(*row, strict=True)]
            for row in zip(numbers.tolist(), picks.tolist(), strict=True)
        ]
    )
    assert {OPERATIONS[k] for k in numbers.flatten().tolist()} == set(names)
    found = apply(x, numbers, magnitudes)
    for i in range(n):
        one = x[i : i + 1]
        for k, magnitude in zip(numbers[i].tolist(), magnitudes[i].tolist(), strict=True):
            one = ours(OPERATIONS[k], one, [magnitude])
        assert torch.allclose(found[i], one[0], atol=EXACT)


def test_images_stay_in_their_range_and_the_given_ones_as_they_were() -> None:
    x = noise(5, 24)
    before = x.clone()
    for name, magnitudes in MAGNITUDES.items():
        found = ours(name, x, magnitudes)
        assert found.min() >= 0
        assert found.max() <= 1
    assert torch.equal(x, before)
    assert torch.equal(apply(x, torch.full((5, 3), IDENTITY), torch.zeros(5, 3)), x)


@pytest.mark.parametrize("side", [1, 2, 3])
def test_images_of_a_few_pixels(side: int) -> None:
    for name, magnitudes in MAGNITUDES.items():
        assert torch.isfinite(ours(name, noise(5, side), magnitudes)).all()
