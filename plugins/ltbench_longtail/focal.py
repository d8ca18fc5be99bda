"""Focal loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ltbench.api import Algorithm, Batch, HParams, hparam


class FocalHParams(HParams):
    """Hyper-parameters of the focal loss."""

    gamma: float = hparam(
        1.0, low=0.0, search=(0.5, 5.0), log=True, help="weight of hard images; 0 is erm"
    )


class Focal(Algorithm):
    """Focal loss (Lin et al., "Focal loss for dense object detection", ICCV 2017, eq. 4).

    The mean of (1 − p_y)^γ · (−log p_y), with p_y the probability of the true class
    (arXiv:1708.02002).
    """

    HParams = FocalHParams
    hparams: FocalHParams

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the mean focal loss of each domain."""
        nll = F.cross_entropy(logits, batch.y, reduction="none")
        # Where p is exactly 1 the gradient of a power below 1 is infinite.
        doubt = (-torch.expm1(-nll)).clamp(min=torch.finfo(nll.dtype).tiny)
        return batch.per_domain(doubt**self.hparams.gamma * nll).mean(1)
