"""CutMix: a rectangle of another image is pasted, and labels are mixed by its area."""

from __future__ import annotations

import torch
from ltbench_domains.mixing import sample_beta
from torch import Tensor

from ltbench.api import Augmentation, HParams, hparam
from ltbench_augmentations.rectangles import inside


class CutMixHParams(HParams):
    """Hyper-parameters of CutMix."""

    alpha: float = hparam(
        1.0, low=1e-3, high=100.0, search=(0.1, 2.0), log=True, help="of the share's distribution"
    )
    p: float = hparam(1.0, low=0.0, high=1.0, help="share of the batches that are mixed")


class CutMix(Augmentation):
    """CutMix (Yun et al., ICCV 2019, arXiv:1905.04899, section 3.1).

    A rectangle of 1 − λ of the area, λ ~ Beta(α, α), comes from another image of the same domain at
    the same place, one rectangle a batch as in the authors' code. Its centre is any pixel; what
    sticks out is left out, and labels are mixed by the area that remains. The authors mix every
    batch on ImageNet and every other one on CIFAR (``p=0.5``); torchvision mixes all.
    """

    HParams = CutMixHParams

    def mix(self, x: Tensor, others: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the images with a rectangle of others, and the share of the area that is left."""
        top, bottom, left, right = self.draw(generator)
        pasted = inside(top, bottom, left, right, self.side)
        return torch.where(pasted, others, x), 1 - (bottom - top) * (right - left) / self.side**2

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return top, bottom, left and right of the rectangle in pixels, scalars."""
        side, device = self.side, generator.device
        share = sample_beta(self.hparams.alpha, 1, generator).squeeze()
        mixed = torch.rand((), generator=generator, device=device) < self.hparams.p
        half = ((1 - share).sqrt() * side / 2).floor() * mixed
        row, column = torch.randint(side, (2,), generator=generator, device=device)
        edges = (row - half, row + half, column - half, column + half)
        top, bottom, left, right = (edge.clamp(0, side) for edge in edges)
        return top, bottom, left, right
