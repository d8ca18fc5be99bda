"""Softmax equalization loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ltbench.api import Algorithm, Backbone, Batch, HParams, TrainInfo, hparam


class EqualizationHParams(HParams):
    """Hyper-parameters of the softmax equalization loss."""

    gamma: float = hparam(
        0.9, low=0.0, high=1.0, search=(0.5, 1.0), help="probability of masking a tail class"
    )
    tail: float = hparam(
        0.05,
        low=0.0,
        high=1.0,
        search=(0.01, 0.2),
        log=True,
        help="share of a domain's images that its tail classes hold at most; it sets λ",
    )


class Equalization(Algorithm):
    """Softmax equalization loss (Tan et al., "Equalization loss", CVPR 2020).

    −log p_y with p_y = exp z_y / Σ_k w_k·exp z_k and w_k = 1 − β·T_λ(f_k)·(1 − [k = y]), where
    T_λ(f) = [f < λ], f_k is the frequency of class k in the image's domain, and β is 1 with
    probability γ, drawn for every image and class (arXiv:2003.05176).

    The published code names tail classes by constants of ImageNet-LT and CIFAR. Here λ follows from
    the data set: it is the largest threshold at which the tail classes of a domain hold no more
    than the share ``tail`` of the domain's images. That share is the paper's own measure, the tail
    ratio TR(λ), by which it compares values of λ; its λ = 3·10⁻³ for CIFAR-100-LT is a tail ratio
    of .05 at every imbalance from 50 to 200. Classes of equal frequency are in the tail together or
    not at all, so balanced data have no tail. A class absent from a domain is in its tail.
    """

    HParams = EqualizationHParams
    hparams: EqualizationHParams
    honours = frozenset({"label_smoothing"})
    tail: Tensor

    def __init__(
        self, backbone: Backbone, train_info: TrainInfo, hparams: EqualizationHParams
    ) -> None:
        super().__init__(backbone, train_info, hparams)
        tail = tail_classes(train_info.counts, self.hparams.tail)
        self.register_buffer("tail", tail, persistent=False)

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the mean equalization loss of each domain."""
        drawn = torch.rand(logits.shape, device=logits.device, generator=self.generator)
        true = F.one_hot(batch.y, logits.shape[1]).bool()
        masked = (drawn < self.hparams.gamma) & self.tail[batch.d] & ~true
        return super().risks(logits.masked_fill(masked, -torch.inf), batch)


def tail_classes(counts: Tensor, share: float) -> Tensor:
    """Return which classes are in the tail of each domain, (D, C) bool.

    Args:
        counts: training images per domain and class, (D, C).
        share: of a domain's images that its tail classes hold at most.
    """
    no_rarer = counts[:, :, None] >= counts[:, None, :]
    held = (no_rarer * counts[:, None, :]).sum(2)
    return held <= share * counts.sum(1, keepdim=True)
