"""Mixup: images are blended with others, and labels with them."""

from __future__ import annotations

import torch
from ltbench_domains.mixing import sample_beta
from torch import Tensor

from ltbench.api import Augmentation, HParams, hparam


class MixupHParams(HParams):
    """Hyper-parameters of mixup."""

    alpha: float = hparam(
        1.0, low=1e-3, high=100.0, search=(0.1, 2.0), log=True, help="of the share's distribution"
    )


class Mixup(Augmentation):
    """Mixup (Zhang et al., ICLR 2018, arXiv:1710.09412, section 2).

    λ·x + (1 − λ)·x' with λ ~ Beta(α, α), one λ a batch as in the authors' code, and x' another
    image of the same domain. The paper takes α = 1 on CIFAR and .2 on ImageNet.
    """

    HParams = MixupHParams

    def mix(self, x: Tensor, others: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the images blended with others, and λ."""
        share = sample_beta(self.hparams.alpha, 1, generator).squeeze()
        return others.lerp(x, share), share
