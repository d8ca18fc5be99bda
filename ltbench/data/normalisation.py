"""The scale of pixels that a network expects."""

from __future__ import annotations

import torch
from torch import Tensor

from ltbench.plugins.facts import Facts


class Normalisation:
    """Takes from images the mean of the data set's pixels and divides by their deviation.

    A run makes one, for the batches that it trains on as for the images that it evaluates.

    Args:
        facts: of the data set, with ``mean`` and ``std`` per channel.
        device: of the images.
    """

    def __init__(self, facts: Facts, device: torch.device) -> None:
        self.mean = torch.tensor(facts.mean, device=device).view(1, -1, 1, 1)
        self.std = torch.tensor(facts.std, device=device).view(1, -1, 1, 1)

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise images (N, channels, H, W) scaled to 0…1."""
        return (images - self.mean) / self.std
