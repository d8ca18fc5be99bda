"""Colour jitter in place, on one image or a batch: each step a few passes over memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Factors = Sequence[Tensor | float] | Mapping[int, Tensor | float]

LUMA = (0.2989, 0.587, 0.114)

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
UNCHANGED = (1.0, 1.0, 1.0, 0.0)
"""The factor of each kind of jitter that leaves an image as it is."""


def jitter(x: Tensor, factors: Factors, order: Sequence[int]) -> Tensor:
    """Change brightness, contrast, saturation and hue of RGB images in place.

    As torchvision's ``ColorJitter`` on floats in 0…1. One-channel images have no saturation and
    no hue, so those two leave them as they are.

    Args:
        x: images (…, channels, H, W) in 0…1.
        factors: of brightness, contrast and saturation (1 changes nothing), and the turn of the
            hue as a share of the circle; numbers, or tensors (N, 1, 1, 1) for a batch.
        order: in which order; what is not named is left out.
    """
    for kind in order:
        factor = factors[kind]
        if kind in (SATURATION, HUE) and x.shape[-3] == 1:
            continue
        if kind == HUE:
            turn_hue(x, factor if isinstance(factor, float) else factor.squeeze(-3))
        elif kind == BRIGHTNESS:
            x.mul_(factor).clamp_(0, 1)
        elif kind == CONTRAST:
            grey = luma(x.mean((-2, -1), keepdim=True))
            x.mul_(factor).add_(grey.mul_(1 - factor)).clamp_(0, 1)
        else:
            grey = luma(x)
            x.mul_(factor).add_(grey.mul_(1 - factor)).clamp_(0, 1)
    return x


def jitter_each(x: Tensor, factors: Tensor, orders: Tensor, kinds: Sequence[int]) -> Tensor:
    """Do the same to a batch in which every image has an order of its own.

    At each place of the order every kind passes over all images, and changes those whose turn it
    is: which ones these are is known on the device alone.

    Args:
        x: images (N, channels, H, W) in 0…1, changed in place.
        factors: of each kind, (N, 4).
        orders: permutations of the places in ``kinds``, (N, len(kinds)).
        kinds: the jitters to apply.
    """
    for now in orders.unbind(1):
        for place, kind in enumerate(kinds):
            factor = torch.where(now == place, factors[:, kind], UNCHANGED[kind])
            jitter(x, {kind: factor.view(-1, 1, 1, 1)}, [kind])
    return x


def turn_hue(x: Tensor, turns: Tensor | float) -> Tensor:
    """Turn the hue of RGB images (…, 3, H, W) in 0…1 in place.

    The hue of a pixel lies in -3…3, a sixth of the circle being 1: it has the sign of g - b and the
    size 1 + (g + b - r - lowest) / chroma. A channel's share of the chroma is a tooth around the
    channel's own hue. Both are free of comparisons, which take ten times as long as arithmetic.

    Args:
        x: images, changed in place.
        turns: shares of the circle from -.5 to .5, a number or (N, 1, 1).
    """
    r, g, b = x.unbind(-3)
    lowest = torch.minimum(r, g)
    lowest = torch.minimum(lowest, b, out=lowest)
    chroma = torch.maximum(r, g)
    chroma = torch.maximum(chroma, b, out=chroma).sub_(lowest)
    hue = (g + b).sub_(r).sub_(lowest).div_(chroma.clamp_min(1e-8)).add_(1)
    hue = hue.copysign_(g - b).add_(turns * 6)
    tooth = torch.div(hue, 6).round_()
    hue.sub_(tooth, alpha=6)
    for channel, centre in ((r, 0.0), (g, 2.0), (b, -2.0)):
        torch.sub(hue, centre, out=tooth)
        tooth.abs_().sub_(3).abs_().sub_(1).clamp_(0, 1)
        channel.copy_(tooth.mul_(chroma).add_(lowest))
    return x


def luma(x: Tensor) -> Tensor:
    """Return the brightness of RGB images as (…, 1, H, W); one-channel images are their own."""
    if x.shape[-3] == 1:
        return x.clone()
    r, g, b = (channel.unsqueeze(-3) for channel in x.unbind(-3))
    return (r * LUMA[0]).add_(g, alpha=LUMA[1]).add_(b, alpha=LUMA[2])
