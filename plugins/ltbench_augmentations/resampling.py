"""Antialiased resizing of a box of each image in a batch, without a look at the boxes' values.

Bilinear interpolation with antialiasing is separable: each output pixel is a weighted mean of the
input pixels below a triangle, along one axis and then along the other. As matrices, one an image
and axis, the weights of all images apply at once whatever their boxes are.
"""

from __future__ import annotations

import torch
from torch import Tensor

_WEIGHT_LIMIT = 32767.5  # the largest weight is a 16-bit number, after rounding
_MOST_BITS = 22


def resample_boxes(images: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Return the box of each image, resized to a square.

    To the bit what torch's ``interpolate(crop, (side, side), mode="bilinear", antialias=True)``
    gives for one uint8 crop on the CPU, which computes as Pillow does: with weights in fixed point,
    rounding to whole grey levels after each axis.

    Args:
        images: (N, channels, S, S) uint8, on any device.
        boxes: left, top, right and bottom in whole pixels, (N, 4) int64 on the same device.
        side: of the squares, in pixels.

    Returns:
        Whole grey levels 0…255 as floats, (N, channels, side, side).
    """
    left, top, right, bottom = boxes.unbind(1)
    across, unit = _weights(left, right, images.shape[-1], side)
    x = _grey_levels(images.float() @ across.mT, unit)
    down, unit = _weights(top, bottom, images.shape[-2], side)
    return _grey_levels(down @ x, unit)


def _weights(start: Tensor, end: Tensor, stored: int, side: int) -> tuple[Tensor, Tensor]:
    """Return the weights of input pixels for output pixels along one axis, in fixed point.

    Args:
        start, end: the interval that each image is read from, (N,).
        stored: input pixels.
        side: output pixels.

    Returns:
        Whole numbers (N, 1, side, stored) and the one that stands for 1, (N, 1, 1, 1).
    """
    device = start.device
    exact = torch.float32 if device.type == "mps" else torch.float64  # which MPS lacks
    start, end = (edge.to(exact).view(-1, 1, 1, 1) for edge in (start, end))
    scale = (end - start) / side
    middles = torch.arange(stored, device=device, dtype=exact) + 0.5
    centres = (torch.arange(side, device=device, dtype=exact) + 0.5)[:, None] * scale + start
    triangle = 1 - (middles - centres).abs() / scale.clamp(min=1)
    weights = triangle.clamp(min=0) * ((middles > start) & (middles < end))
    weights /= weights.sum(-1, keepdim=True)
    # As many bits as the largest weight leaves room for.
    bits = (_WEIGHT_LIMIT / weights.amax((-2, -1), keepdim=True)).log2().ceil() - 1
    unit = bits.clamp(0, _MOST_BITS).exp2().round()
    return weights.mul_(unit).add_(0.5).floor_().float(), unit.float()


def _grey_levels(sums: Tensor, unit: Tensor) -> Tensor:
    """Round weighted sums to whole grey levels, in place."""
    return sums.div_(unit).add_(0.5).floor_().clamp_(0, 255)
