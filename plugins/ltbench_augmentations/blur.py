"""Gaussian blur, of another width for each image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

RADIUS = 6
"""How far the Gaussians reach, in pixels: three deviations of the widest that is used."""


def blurred(x: Tensor, deviations: Tensor) -> Tensor:
    """Return images smoothed by Gaussians; beyond its border an image goes on as it ends.

    Args:
        x: floats 0…1, (N, C, H, W).
        deviations: of each image's Gaussian, in pixels, (N,).
    """
    n, channels, height, width = x.shape
    places = torch.arange(-RADIUS, RADIUS + 1, device=x.device)
    weights = (-0.5 * (places / deviations[:, None]) ** 2).exp()
    weights = weights / weights.sum(1, keepdim=True)
    kernels = weights.repeat_interleave(channels, 0)[:, None, None]
    flat = x.reshape(1, n * channels, height, width)
    flat = F.pad(flat, (RADIUS,) * 4, mode="replicate")
    flat = F.conv2d(flat, kernels, groups=n * channels)
    return F.conv2d(flat, kernels.transpose(2, 3), groups=n * channels).view_as(x)
