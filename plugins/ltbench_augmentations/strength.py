"""Augmentation of a strength for each image: more operations, and each of a larger magnitude.

Twenty-two operations with the ranges of CUDA (Ahn et al., ICLR 2023, arXiv:2302.05499, in
sumyeongahn/CUDA_LTR). An image of strength s passes through s of them, drawn with replacement, each
at s thirtieths of its range. Shifts are in pixels, and what is left empty is black, as there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ltbench_augmentations import operations as ops
from ltbench_augmentations.blur import blurred

STRENGTHS = 30
"""Strengths that a range is divided into."""

MOST = 10
"""The greatest strength of an image: as many operations, at a third of their ranges."""

_GREYS = 255


def flip(x: Tensor, values: Tensor) -> Tensor:
    """Turn images upside down."""
    return x.flip(-2)


def mirror(x: Tensor, values: Tensor) -> Tensor:
    """Turn left and right."""
    return x.flip(-1)


def edge_enhance(x: Tensor, values: Tensor) -> Tensor:
    """Do what Pillow's filter of this name does; the border stays, as with the next two."""
    return _filtered(x, 10 / 2, -1 / 2, -1 / 2)


def detail(x: Tensor, values: Tensor) -> Tensor:
    """Do what Pillow's filter of this name does."""
    return _filtered(x, 10 / 6, -1 / 6, 0)


def smooth(x: Tensor, values: Tensor) -> Tensor:
    """Do what Pillow's filter of this name does."""
    return _filtered(x, 5 / 13, 1 / 13, 1 / 13)


def resize_crop(x: Tensor, values: Tensor) -> Tensor:
    """Cut the middle out of images that are so many times larger."""
    zeros = torch.zeros_like(values)
    rows = torch.stack([1 / values, zeros, zeros], 1), torch.stack([zeros, 1 / values, zeros], 1)
    grid = F.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def posterize(x: Tensor, values: Tensor) -> Tensor:
    """Keep as many whole bits, and one at least."""
    return ops.posterize(x, values.floor().clamp(min=1))


def solarize(x: Tensor, values: Tensor) -> Tensor:
    """Invert what is as bright as a grey level, or brighter."""
    return ops.solarize(x, values / _GREYS)


def solarize_add(x: Tensor, values: Tensor) -> Tensor:
    """Make brighter by grey levels, then invert what is at least half as bright as can be."""
    added = (x + values.view(-1, 1, 1, 1) / _GREYS).clamp(max=1)
    return ops.solarize(added, torch.full_like(values, 128 / _GREYS))


def _enhanced(change: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Return an operation whose value 1 changes nothing, in place of 0."""
    return lambda x, values: change(x, values - 1)


def _warped(warp: Callable[[Tensor, int], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda x, values: ops.moved(x, warp(values, x.shape[-1]))


class Operation(NamedTuple):
    """An operation, and what it is done by at strength 0 and at :data:`STRENGTHS`.

    Attributes:
        apply: takes images (N, C, side, side) and a value for each, (N,).
        low, high: the values.
        signed: whether every other image is changed the other way.
    """

    apply: Callable[[Tensor, Tensor], Tensor]
    low: float = 0.0
    high: float = 0.0
    signed: bool = False


OPERATIONS: dict[str, Operation] = {
    "flip": Operation(flip),
    "mirror": Operation(mirror),
    "edge-enhance": Operation(edge_enhance),
    "detail": Operation(detail),
    "smooth": Operation(smooth),
    "autocontrast": Operation(ops.autocontrast),
    "equalize": Operation(ops.equalize),
    "invert": Operation(ops.invert),
    "gaussian-blur": Operation(blurred, 0, 2),
    "resize-crop": Operation(resize_crop, 1, 1.5),
    "rotate": Operation(_warped(ops.rotate), 0, 30, signed=True),
    "posterize": Operation(posterize, 0, 4),
    "solarize": Operation(solarize, 0, 256),
    "solarize-add": Operation(solarize_add, 0, 110),
    "color": Operation(_enhanced(ops.color), 0.1, 1.9),
    "contrast": Operation(_enhanced(ops.contrast), 0.1, 1.9),
    "brightness": Operation(_enhanced(ops.brightness), 0.1, 1.9),
    "sharpness": Operation(_enhanced(ops.sharpness), 0.1, 1.9),
    "shear-x": Operation(_warped(ops.shear_x), 0, 0.3, signed=True),
    "shear-y": Operation(_warped(ops.shear_y), 0, 0.3, signed=True),
    "translate-x": Operation(_warped(ops.translate_x), 0, 100, signed=True),
    "translate-y": Operation(_warped(ops.translate_y), 0, 100, signed=True),
}


def strengthened(x: Tensor, strengths: Tensor, rounds: int, generator: torch.Generator) -> Tensor:
    """Return images that are augmented each by its strength.

    Args:
        x: floats 0…1, (N, C, side, side), which stay as they are.
        strengths: whole numbers 0…:data:`MOST`, (N,).
        rounds: at least the greatest of them, which only the device knows.
        generator: draws operations and signs, on the device.
    """
    shape, device = (MOST, len(x)), x.device
    drawn = torch.randint(len(OPERATIONS), shape, generator=generator, device=device)
    ways = torch.rand(shape, generator=generator, device=device) < 0.5
    apply = one_by_one if device.type == "cpu" else at_once
    for number in range(rounds):
        those = drawn[number].masked_fill(number >= strengths, -1)
        x = apply(x, those, strengths / STRENGTHS, ways[number])
    return x


def at_once(x: Tensor, drawn: Tensor, shares: Tensor, ways: Tensor) -> Tensor:
    """Apply one operation an image, or none, every operation to all images.

    Which images drew one is known on the device alone, and to read it would wait for that.

    Args:
        x: floats 0…1, (N, C, side, side).
        drawn: numbers of operations, (N,); -1 for none.
        shares: of the operations' ranges, (N,).
        ways: which images a signed operation changes the other way, (N,).
    """
    found = x
    for number, one in enumerate(OPERATIONS.values()):
        mine = (drawn == number).view(-1, 1, 1, 1)
        found = torch.where(mine, one.apply(x, _values(one, shares, ways)), found)
    return found


def one_by_one(x: Tensor, drawn: Tensor, shares: Tensor, ways: Tensor) -> Tensor:
    """Do the same, every operation to the images that drew it; it waits for the device."""
    found, there = x.clone(), set(drawn.tolist())
    for number, one in enumerate(OPERATIONS.values()):
        if number in there:
            places = (drawn == number).nonzero().squeeze(1)
            values = _values(one, shares[places], ways[places])
            found[places] = one.apply(x[places], values)
    return found


def _values(one: Operation, shares: Tensor, ways: Tensor) -> Tensor:
    """Return what an operation is done by, (N,)."""
    values = one.low + shares * (one.high - one.low)
    return values.where(ways, -values) if one.signed else values


def _filtered(x: Tensor, middle: float, beside: float, corner: float) -> Tensor:
    """Return images under a filter of three by three pixels, clipped; the border stays."""
    if min(x.shape[-2:]) < 3:
        return x.clone()
    kernel = x.new_full((3, 3), corner)
    kernel[1, :] = beside
    kernel[:, 1] = beside
    kernel[1, 1] = middle
    found = x.clone()
    flat = x.flatten(0, 1)[:, None]
    inner = F.conv2d(flat, kernel[None, None]).view_as(x[..., 1:-1, 1:-1])
    found[..., 1:-1, 1:-1] = inner.clamp(0, 1)
    return found
