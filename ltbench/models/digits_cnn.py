"""The small CNN of the digits benchmarks."""

from __future__ import annotations

from torch import Tensor, nn

from ltbench.errors import UsageError
from ltbench.plugins.backbone import Backbone


class DigitsCNN(Backbone):
    """Four 3×3 convolutions 64-128-128-128, the second of stride 2, and an average pool.

    Each convolution is followed by ReLU and GroupNorm with 8 groups (``MNIST_CNN`` of Gulrajani
    and Lopez-Paz, "In search of lost domain generalization", ICLR 2021, arXiv:2007.01434, appendix
    D.1). It gives 128 features and takes images of any size from 28×28.
    """

    widths = (64, 128, 128, 128)
    num_features = 128

    def __init__(self, image_shape: tuple[int, int, int], pretrained: bool = False) -> None:
        """Build it.

        Raises:
            UsageError: pretrained weights are asked for; there are none.
        """
        super().__init__()
        if pretrained:
            raise UsageError("'digits-cnn' has no pretrained weights: give --no-pretrained")
        layers: list[nn.Module] = []
        channels = image_shape[0]
        for width, stride in zip(self.widths, (1, 2, 1, 1), strict=True):
            layers += [
                nn.Conv2d(channels, width, 3, stride, padding=1),
                nn.ReLU(inplace=True),
                nn.GroupNorm(8, width),
            ]
            channels = width
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features (N, ``num_features``) of the images ``x``."""
        features: Tensor = self.layers(x)
        return features.mean((2, 3))


class NarrowDigitsCNN(DigitsCNN):
    """The same network at half the width, 32-64-64-64, with 64 features.

    It takes a quarter of the arithmetic, for a first look on a processor.
    """

    widths = (32, 64, 64, 64)
    num_features = 64
