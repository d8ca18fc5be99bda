"""Boxes resized as a batch are those that torch and Pillow resize one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ltbench_augmentations.resampling import resample_boxes
from PIL import Image
from torch.nn import functional as F


def noise(n: int, channels: int, side: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (n, channels, side, side)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def each(images: torch.Tensor, boxes: torch.Tensor, side: int) -> torch.Tensor:
    crops = [
        image[None, :, top:bottom, left:right]
        for image, (left, top, right, bottom) in zip(images, boxes.tolist(), strict=True)
    ]
    sized = [F.interpolate(c, (side, side), mode="bilinear", antialias=True) for c in crops]
    return torch.cat(sized).float()


@st.composite
def interval(draw: st.DrawFn, stored: int) -> tuple[int, int]:
    start = draw(st.integers(0, stored - 1))
    return start, draw(st.integers(start + 1, stored))


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(1, 70), st.integers(2, 50), st.sampled_from([1, 3]), st.booleans())
def test_equal_to_the_bit(data, stored, side, channels, hard) -> None:
    images = noise(3, channels, stored, data.draw(st.integers(0, 99)))
    if hard:  # black and white: the longest ways between neighbours
        images = (images > 127).to(torch.uint8) * 255
    edges = [(data.draw(interval(stored)), data.draw(interval(stored))) for _ in range(3)]
    boxes = torch.tensor([[x[0], y[0], x[1], y[1]] for x, y in edges])
    assert torch.equal(resample_boxes(images, boxes, side), each(images, boxes, side))


@pytest.mark.parametrize(
    ("stored", "box", "side"),
    [
        (64, [10, 20, 11, 21], 32),  # one pixel
        (64, [63, 0, 64, 64], 32),  # one column, at the border
        (64, [0, 0, 64, 64], 64),  # nothing to do
        (288, [20, 3, 270, 250], 224),  # as the protocols have it
        (600, [0, 0, 600, 600], 8),  # far down: many pixels below one triangle
        (5, [1, 1, 4, 3], 96),  # far up
    ],
)
def test_cases(stored: int, box: list[int], side: int) -> None:
    images, boxes = noise(2, 3, stored), torch.tensor([box, box])
    assert torch.equal(resample_boxes(images, boxes, side), each(images, boxes, side))


def test_a_box_leaves_no_trace_of_what_is_around_it() -> None:
    images = noise(1, 3, 40)
    masked = torch.zeros_like(images)
    masked[..., 7:30, 9:31] = images[..., 7:30, 9:31]
    box = torch.tensor([[9, 7, 31, 30]])
    assert torch.equal(resample_boxes(images, box, 12), resample_boxes(masked, box, 12))


def test_pillow_agrees_to_a_grey_level() -> None:
    images, box = noise(1, 3, 100), (13, 5, 90, 71)
    found = resample_boxes(images, torch.tensor([box]), 24)[0].permute(1, 2, 0).numpy()
    image = Image.fromarray(images[0].permute(1, 2, 0).numpy())
    theirs = np.asarray(image.crop(box).resize((24, 24), Image.Resampling.BILINEAR))
    assert np.abs(found - theirs).max() <= 1


def test_fine_stripes_turn_grey() -> None:
    """Without antialiasing every fourth column would be taken, and the image be black."""
    images = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    images[..., 1::2] = 255
    x = resample_boxes(images, torch.tensor([[0, 0, 64, 64]]), 16)
    assert x.min() > 100
    assert x.max() < 156
