"""Cutout: a square is lost."""

from __future__ import annotations

import torch
from torch import Tensor

from ltbench.api import Augmentation, HParams, hparam
from ltbench_augmentations.rectangles import inside


class CutoutHParams(HParams):
    """Hyper-parameters of Cutout."""

    size: int = hparam(16, low=1, high=4096, search=(4, 24), help="side of the square in pixels")


class Cutout(Augmentation):
    """Cutout (DeVries & Taylor, 2017, arXiv:1708.04552, section 3).

    A square becomes black whose centre is any pixel of the image, so that it may stick out. 16
    pixels are the paper's for CIFAR-10, whose images have 32; it takes 8 on CIFAR-100. There it is
    the mean of the data set's pixels, as images are normalised before; here black.
    """

    HParams = CutoutHParams

    def augment(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the images with a square in black."""
        half, device = self.hparams.size // 2, generator.device
        centres = torch.randint(self.side, (2, len(x)), generator=generator, device=device)
        top, left = centres - half
        size = self.hparams.size
        return x.masked_fill(inside(top, top + size, left, left + size, self.side), 0)
