"""The operations of CUDA against Pillow's, and how many an image passes through."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_augmentations import strength
from ltbench_augmentations.strength import (
    MOST,
    OPERATIONS,
    STRENGTHS,
    Operation,
    at_once,
    one_by_one,
    strengthened,
)
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

SIDE = 32


def photograph(seed: int = 0) -> np.ndarray:
    """Return a smooth coloured image, (side, side, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def affine(image, *matrix):
    return image.transform(image.size, Image.Transform.AFFINE, matrix)


def resize_crop(image, v):
    large = image.resize((int(SIDE * v), int(SIDE * v)), Image.Resampling.LANCZOS)
    first = int(SIDE * v) // 2 - SIDE // 2
    return large.crop((first, first, first + SIDE, first + SIDE))


def solarize_add(image, v):
    grey = np.clip(np.asarray(image).astype(int) + v, 0, 255).astype(np.uint8)
    return ImageOps.solarize(Image.fromarray(grey), 128)


PILLOW = {
    "flip": lambda i, v: ImageOps.flip(i),
    "mirror": lambda i, v: ImageOps.mirror(i),
    "edge-enhance": lambda i, v: i.filter(ImageFilter.EDGE_ENHANCE),
    "detail": lambda i, v: i.filter(ImageFilter.DETAIL),
    "smooth": lambda i, v: i.filter(ImageFilter.SMOOTH),
    "autocontrast": lambda i, v: ImageOps.autocontrast(i),
    "equalize": lambda i, v: ImageOps.equalize(i),
    "invert": lambda i, v: ImageOps.invert(i),
    "gaussian-blur": lambda i, v: i.filter(ImageFilter.GaussianBlur(v)),
    "resize-crop": resize_crop,
    "rotate": lambda i, v: i.rotate(v),
    "posterize": lambda i, v: ImageOps.posterize(i, max(1, int(v))),
    "solarize": ImageOps.solarize,
    "solarize-add": solarize_add,
    "color": lambda i, v: ImageEnhance.Color(i).enhance(v),
    "contrast": lambda i, v: ImageEnhance.Contrast(i).enhance(v),
    "brightness": lambda i, v: ImageEnhance.Brightness(i).enhance(v),
    "sharpness": lambda i, v: ImageEnhance.Sharpness(i).enhance(v),
    "shear-x": lambda i, v: affine(i, 1, v, 0, 0, 1, 0),
    "shear-y": lambda i, v: affine(i, 1, 0, 0, v, 1, 0),
    "translate-x": lambda i, v: affine(i, 1, 0, v, 0, 1, 0),
    "translate-y": lambda i, v: affine(i, 1, 0, 0, 0, 1, v),
}
RANGES = {
    "gaussian-blur": (0, 2), "resize-crop": (1, 1.5), "rotate": (0, 30), "posterize": (0, 4),
    "solarize": (0, 256), "solarize-add": (0, 110), "color": (0.1, 1.9), "contrast": (0.1, 1.9),
    "brightness": (0.1, 1.9), "sharpness": (0.1, 1.9), "shear-x": (0, 0.3), "shear-y": (0, 0.3),
    "translate-x": (0, 100), "translate-y": (0, 100),
}  # fmt: skip


def drawn(name: str, images: int) -> torch.Tensor:
    return torch.full((images,), list(OPERATIONS).index(name))


@pytest.mark.parametrize("name", PILLOW)
@pytest.mark.parametrize("level", [1, 4, 10])
def test_operations_are_those_of_the_authors_by_pillow(name: str, level: int) -> None:
    low, high = RANGES.get(name, (0, 0))
    value = low + level / STRENGTHS * (high - low)
    image = photograph()
    x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
    shares = torch.tensor([level / STRENGTHS])
    ways = [torch.tensor([True]), torch.tensor([False])] if OPERATIONS[name].signed else [
        torch.tensor([True])
    ]  # fmt: skip
    theirs = [PILLOW[name](Image.fromarray(image), sign * value) for sign in (1, -1)[: len(ways)]]
    ours = [one_by_one(x, drawn(name, 1), shares, way) for way in ways]
    greys = [(one[0].permute(1, 2, 0) * 255).numpy() for one in ours]
    found = [
        [np.abs(a - np.asarray(b, dtype=float)) for b in theirs] for a in greys
    ]  # each of ours against each of theirs: which way is which is no matter
    best = [min(row, key=np.mean) for row in found]
    if level == 4:  # at 1 both ways may be none, at 10 nothing of 32 pixels is left by a shift
        assert {int(np.argmin([one.mean() for one in row])) for row in found} == set(
            range(len(ways))
        )
    for differences in best:
        if name == "resize-crop":  # bilinear here, Lanczos and whole pixels there
            assert differences.mean() < 12
        elif name in ("posterize", "solarize", "solarize-add", "equalize", "rotate", "shear-x",
                      "shear-y", "translate-x", "translate-y"):  # fmt: skip
            assert (differences < 2).mean() > 0.93  # a border lies a pixel or a level beside
        else:
            assert differences.mean() < 1.2
            assert np.quantile(differences, 0.99) < 5


def test_there_are_as_many_operations_as_published() -> None:
    assert list(OPERATIONS) == list(PILLOW)
    assert len(OPERATIONS) == 22


def test_on_an_accelerator_and_on_the_cpu_they_are_the_same() -> None:
    images = [torch.from_numpy(photograph(seed).copy()).permute(2, 0, 1) for seed in range(46)]
    x = torch.stack(images).float() / 255
    numbers = torch.cat([torch.arange(-1, 22), torch.arange(-1, 22)])
    shares = torch.arange(46) % 11 / STRENGTHS
    ways = torch.arange(46) % 3 == 0
    one, other = (apply(x, numbers, shares, ways) for apply in (one_by_one, at_once))
    sensible = (numbers != list(OPERATIONS).index("gaussian-blur")) | (shares > 0)
    assert torch.allclose(one[sensible], other[sensible], atol=1e-6)
    assert one[numbers == -1].equal(x[numbers == -1])


def test_an_image_of_strength_s_passes_through_s_operations_at_s_thirtieths(monkeypatch) -> None:
    monkeypatch.setattr(strength, "OPERATIONS", {"add": Operation(
        lambda x, values: x + values.view(-1, 1, 1, 1), 0, 0.3)})  # fmt: skip
    x, strengths = torch.zeros(11, 3, 4, 4), torch.arange(11)
    found = strengthened(x, strengths, MOST, torch.Generator().manual_seed(0))
    expected = strengths * (strengths / 100)
    assert torch.allclose(found[:, 0, 0, 0], expected, atol=1e-6)
    assert not x.any()


def test_rounds_beyond_the_greatest_strength_change_nothing() -> None:
    x = torch.rand(20, 1, 12, 12, generator=torch.Generator().manual_seed(1))
    strengths = torch.arange(20) % 4
    few, many = (
        strengthened(x, strengths, rounds, torch.Generator().manual_seed(0)) for rounds in (3, MOST)
    )
    assert few.equal(many)
    assert few[strengths == 0].equal(x[strengths == 0])
    assert not few[strengths == 3].equal(x[strengths == 3])
    assert 0 <= float(few.min()) <= float(few.max()) <= 1
