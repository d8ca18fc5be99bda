"""The contract of a backbone."""

from __future__ import annotations

from torch import Tensor, nn

from ltbench.plugins.preprocessing import Preprocessing


class Backbone(nn.Module):
    """Maps images (N, channels, H, W) to features (N, ``num_features``).

    Attributes:
        num_features: of an image.
        preprocessing: what its pretrained weights were trained with, which images then pass
            through in training and evaluation; ``None`` where it has no such weights, or they take
            the data set's. It is read from what was registered, before a network is built.
        frozen_parameters: how many it has that are no ``nn.Parameter``, as no training changes
            them.
    """

    num_features: int
    preprocessing: Preprocessing | None = None
    frozen_parameters: int = 0

    def forward(self, x: Tensor) -> Tensor:
        """Return the features (N, ``num_features``) of the images ``x``."""
        raise NotImplementedError
