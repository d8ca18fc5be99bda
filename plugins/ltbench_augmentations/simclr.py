"""The augmentation of contrastive views: small crops, mirror, strong jitter and grey."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ltbench.api import HParams, hparam
from ltbench_augmentations.blur import blurred
from ltbench_augmentations.photo import Photo
from ltbench_augmentations.photographs import PhotoAugmentation

DEVIATIONS = (0.1, 2.0)
"""Least and largest deviation of the Gaussians that blur, in pixels."""


class SimCLRHParams(HParams):
    """Hyper-parameters of the augmentation of SimCLR."""

    area: float = hparam(
        0.2, low=0.01, high=1.0, help="least share of the image's area that a crop has"
    )
    jitter: float = hparam(0.8, low=0.0, high=1.0, help="share of the images that are jittered")
    strength: float = hparam(
        0.4, low=0.0, high=1.0, help="most that brightness, contrast and saturation change by"
    )
    hue: float = hparam(0.1, low=0.0, high=0.5, help="most that the hue changes by")
    grey: float = hparam(0.2, low=0.0, high=1.0, help="share of the images that lose their colour")
    blur: float = hparam(0.0, low=0.0, high=1.0, help="share of the images that are blurred")


class SimCLR(PhotoAugmentation):
    """SimCLR's augmentation (Chen et al., ICML 2020, arXiv:2002.05709, appendix A).

    A crop of random area and aspect ratio, mirrored or not; brightness, contrast, saturation and
    hue of most images changed in random order; some without colour. The widths are half of
    SimCLR's, .4, .4, .4 and .1, and crops begin at a fifth of the area, as in MoCo v2
    (arXiv:2003.04297) and SupCon (arXiv:2004.11362), from which contrastive methods for long tails
    have them; on ImageNet-LT these crop from .08 on. With ``blur`` a share of the images is
    smoothed by a Gaussian whose deviation is uniform between .1 and 2 pixels, in a window of 13.
    """

    HParams = SimCLRHParams

    def __init__(self, hparams: Any, image_shape: tuple[int, int, int]) -> None:
        super(PhotoAugmentation, self).__init__(hparams, image_shape)
        widths = (hparams.strength, hparams.strength, hparams.strength, hparams.hue)
        self.photo = Photo((hparams.area, 1.0), widths, hparams.grey, share=hparams.jitter)

    def crop(self, images: Tensor, sizes: Tensor, generator: torch.Generator) -> Tensor:
        """Return the images cropped, mirrored, changed in colour and, some of them, blurred."""
        x = super().crop(images, sizes, generator)
        if not self.hparams.blur:
            return x
        draws = torch.rand(2, len(x), generator=generator, device=x.device)
        low, high = DEVIATIONS
        smooth = blurred(x, low + (high - low) * draws[0])
        return torch.where((draws[1] < self.hparams.blur).view(-1, 1, 1, 1), smooth, x)
