"""The ResNet-32 of the long-tail literature on CIFAR."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ltbench.errors import UsageError
from ltbench.plugins.backbone import Backbone


class _Block(nn.Module):
    """Two 3×3 convolutions and a shortcut without parameters (option A)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.added = stride, width - channels

    def forward(self, x: Tensor) -> Tensor:
        found = F.relu(self.bn1(self.conv1(x)))
        found = self.bn2(self.conv2(found))
        # Option A: take every other pixel, and fill the new channels with zeros on both sides.
        shortcut = x[:, :, :: self.stride, :: self.stride]
        half = self.added // 2
        shortcut = F.pad(shortcut, (0, 0, 0, 0, half, self.added - half))
        return F.relu(found + shortcut)


class CifarResNet32(Backbone):
    """ResNet-32 for 32×32 images: three stages of five blocks, 16-32-64 channels.

    He et al., "Deep residual learning for image recognition", CVPR 2016, section 4.2, with the
    parameter-free shortcuts of option A: 0.46 million parameters. It gives 64 features.

    Raises:
        UsageError: pretrained weights are asked for; there are none.
    """

    num_features = 64

    def __init__(self, image_shape: tuple[int, int, int], pretrained: bool = False) -> None:
        super().__init__()
        if pretrained:
            raise UsageError("'resnet32' has no pretrained weights: leave out --pretrained")
        self.conv1 = nn.Conv2d(image_shape[0], 16, 3, 1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        blocks: list[nn.Module] = []
        channels = 16
        for width, stride in ((16, 1), (32, 2), (64, 2)):
            for index in range(5):
                blocks.append(_Block(channels, width, stride if index == 0 else 1))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features (N, 64) of the images ``x``."""
        found = self.blocks(F.relu(self.bn1(self.conv1(x))))
        return torch.flatten(F.adaptive_avg_pool2d(found, 1), 1)
