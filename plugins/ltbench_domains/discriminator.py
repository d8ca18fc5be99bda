"""The domain discriminators of adversarial methods."""

from __future__ import annotations

from torch import Tensor, nn


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


class ConditionalDiscriminator(nn.Module):
    """A discriminator of features (N, F) that are shifted by an embedding of their class (N,)."""

    def __init__(self, features: int, domains: int, width: int, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(classes, features)
        self.discriminator = Discriminator(features, domains, width)

    def forward(self, features: Tensor, y: Tensor) -> Tensor:
        """Return domain logits (N, D)."""
        logits: Tensor = self.discriminator(features + self.embedding(y))
        return logits
