"""Random erasing: a rectangle of random place, area and shape is lost."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ltbench.api import Augmentation, HParams, hparam
from ltbench_augmentations.rectangles import inside

TRIES = 10


class RandomErasingHParams(HParams):
    """Hyper-parameters of random erasing."""

    p: float = hparam(0.5, low=0.0, high=1.0, help="share of the images that lose a rectangle")
    least: float = hparam(0.02, low=0.0, high=1.0, help="least share of the image's area")
    most: float = hparam(0.33, low=0.0, high=1.0, help="most share of the image's area")
    ratio: float = hparam(0.3, low=0.01, high=1.0, help="flattest shape, its height by its width")


class RandomErasing(Augmentation):
    """Random erasing (Zhong et al., AAAI 2020, arXiv:1708.04896, algorithm 1).

    The rectangle's area is uniform between two shares of the image's, and its aspect ratio
    log-uniform between ``ratio`` and 1 / ``ratio``, as in torchvision, where the paper's is
    uniform. It lies anywhere inside. What does not fit is drawn again, ten times, as in torchvision
    (which ends at a ratio of 3.3 for the paper's 1 / .3). The rectangle becomes black: 0 as in
    torchvision, but before the images are normalised; the paper takes random values.
    """

    HParams = RandomErasingHParams

    def augment(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the images with a rectangle in black."""
        return x.masked_fill(self.draw(len(x), generator), 0)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Return which pixels ``n`` images lose, (n, 1, side, side) bool."""
        side, chosen = self.side, self.hparams
        device = generator.device
        areas, shapes = torch.rand(2, n, TRIES, generator=generator, device=device)
        area = (chosen.least + (chosen.most - chosen.least) * areas) * side**2
        ratio = ((2 * shapes - 1) * math.log(chosen.ratio)).exp()
        heights, widths = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
        fits = (heights < side) & (widths < side)
        first = fits.int().argmax(1, keepdim=True)
        height, width = (sizes.gather(1, first).squeeze(1) for sizes in (heights, widths))
        draws = torch.rand(3, n, generator=generator, device=device)
        lost = (draws[0] < chosen.p) & fits.any(1)
        height = height.where(lost, 0.0)
        top, left = (
            (draws[1] * (side - height + 1)).floor(),
            (draws[2] * (side - width + 1)).floor(),
        )
        return inside(top, top + height, left, left + width, side)
