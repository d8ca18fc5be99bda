"""The augmentation of the CIFAR literature: random shifts and mirror images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ltbench.api import Augmentation
from ltbench_augmentations.crops import random_flips


class CropFlip(Augmentation):
    """Shift by up to an eighth of the side over a border of zeros and mirror every other image.

    Of 32 pixels that is 4, the augmentation of the CIFAR literature (Lee et al., "Deeply-supervised
    nets", AISTATS 2015, arXiv:1409.5185; He et al., CVPR 2016, arXiv:1512.03385, section 4.2).
    """

    def crop(self, images: Tensor, sizes: Tensor, generator: torch.Generator) -> Tensor:
        """Return the images shifted and mirrored."""
        side = self.side
        x = images if images.shape[-1] == side else super().crop(images, sizes, generator)
        border, n = side // 8, len(images)
        corner = torch.randint(2 * border + 1, (n, 2, 1), generator=generator, device=x.device)
        line = torch.arange(side, device=x.device)
        flips = random_flips(n, generator, x.device)[:, None]
        rows, columns = line + corner[:, 0], torch.where(flips, line.flip(0), line) + corner[:, 1]
        padded = F.pad(x, (border, border, border, border)).permute(0, 2, 3, 1)
        every = torch.arange(n, device=x.device)[:, None, None]
        x = padded[every, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
        return x if x.is_floating_point() else x.float() / 255
