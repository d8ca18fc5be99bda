"""Random crops, drawn in pixels of the original image and cut from the stored square."""

from __future__ import annotations

import math

import torch
from torch import Tensor

CROP_RATIO = (3 / 4, 4 / 3)


def random_crops(
    sizes: Tensor, areas: tuple[float, float], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw a crop of random area and aspect ratio for each image.

    As torchvision's ``RandomResizedCrop``: the area is uniform, the aspect ratio log-uniform in
    pixels of the original image, drawn up to ten times until the crop fits.

    Args:
        sizes: original height and width in pixels, (N, 2).
        areas: smallest and largest share of the image's area.
        generator: on the device of ``sizes``.

    Returns:
        Width and height of each crop as shares of the image, (N, 2), and its centre with the
        image spanning -1…1, (N, 2); x before y.
    """
    n, device = len(sizes), sizes.device
    aspect = (sizes[:, 1] / sizes[:, 0])[:, None]
    area = torch.empty(n, 10, device=device).uniform_(*areas, generator=generator)
    low, high = map(math.log, CROP_RATIO)
    ratio = torch.empty(n, 10, device=device).uniform_(low, high, generator=generator).exp()
    shares = torch.stack([(area * ratio / aspect).sqrt(), (area / ratio * aspect).sqrt()], dim=-1)
    fits = (shares <= 1).all(-1)
    first = fits.int().argmax(1)
    chosen = shares[torch.arange(n, device=device), first]
    # Where no draw fits, the largest central crop of an allowed ratio, as torchvision does.
    nearest = aspect.clamp(*CROP_RATIO)
    fallback = torch.cat([(nearest / aspect).clamp(max=1), (aspect / nearest).clamp(max=1)], dim=1)
    some = fits.any(1, keepdim=True)
    scale = torch.where(some, chosen, fallback)
    place = torch.rand(n, 2, generator=generator, device=device) * 2 - 1
    return scale, torch.where(some, place, torch.zeros_like(place)) * (1 - scale)


def pixel_boxes(scale: Tensor, centre: Tensor, stored: int) -> Tensor:
    """Return left, top, right and bottom of each crop in whole pixels, (N, 4) int64.

    Args:
        scale: width and height as shares of the image, (N, 2).
        centre: with the image spanning -1…1, (N, 2).
        stored: side of the stored square in pixels.
    """
    corners = torch.cat([centre - scale, centre + scale], dim=1).add(1).mul(stored / 2)
    corners = corners.round().long().clamp(0, stored)
    # A crop thinner than a pixel would be none.
    low = corners[:, :2].clamp(max=stored - 1)
    return torch.cat([low, torch.maximum(corners[:, 2:], low + 1)], dim=1)


def random_flips(n: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Return which of ``n`` images to mirror, each with probability ½, (N,) bool."""
    return torch.rand(n, generator=generator, device=device) < 0.5
