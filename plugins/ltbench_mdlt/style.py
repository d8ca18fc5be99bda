"""Style and content of the maps inside a network."""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-6


def split_style(maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the content of maps, and the mean and deviation of each channel over the image.

    Args:
        maps: (N, channels, H, W), or the tokens (N, T, channels) of a transformer.

    Returns:
        Content of the same shape; mean and deviation with 1 in the place of the positions.
    """
    positions = (2, 3) if maps.dim() == 4 else (1,)
    variance, mean = torch.var_mean(maps, positions, keepdim=True)
    deviation = (variance + EPSILON).sqrt()
    return (maps - mean) / deviation, mean, deviation


def join_style(content: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Return the maps with a content and a style; the inverse of :func:`split_style`."""
    return torch.addcmul(mean, content, deviation)
