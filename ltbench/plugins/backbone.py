"""The contract of a backbone."""

from __future__ import annotations

from torch import Tensor, nn


class Backbone(nn.Module):
    """Maps images (N, channels, H, W) to features (N, ``num_features``)."""

    num_features: int

    def forward(self, x: Tensor) -> Tensor:
        """Return the features (N, ``num_features``) of the images ``x``."""
        raise NotImplementedError
