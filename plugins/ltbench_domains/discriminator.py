"""The domain discriminator of adversarial methods."""

from __future__ import annotations

from torch import nn


class Discriminator(nn.Sequential):
    """A perceptron with two hidden layers, from features (N, F) to domain logits (N, D)."""

    def __init__(self, features: int, domains: int, width: int) -> None:
        super().__init__(
            nn.Linear(features, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, domains),
        )
