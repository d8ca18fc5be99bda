"""Vector-scaling loss."""

from __future__ import annotations

import torch
from torch import Tensor

from ltbench.api import Algorithm, Backbone, Batch, HParams, TrainInfo, hparam
from ltbench_longtail.logit_adjust import log_prior_shift


class VSLossHParams(HParams):
    """Hyper-parameters of the vector-scaling loss."""

    gamma: float = hparam(
        0.3, low=0.0, search=(0.05, 0.5), help="of the multiplicative adjustment; 0 is none"
    )
    tau: float = hparam(
        1.0, low=0.0, search=(0.25, 1.5), help="of the additive adjustment; 0 is none"
    )


class VSLoss(Algorithm):
    """VS-loss (Kini et al., "Label-imbalanced and group-sensitive", NeurIPS 2021).

    Cross-entropy on Δ_c·z_c + ι_c with Δ_c = (n_c / n_max)^γ and ι_c = τ·log π_c
    (arXiv:2103.01550), from the counts of the image's own domain; the defaults are those of the
    authors' code. Classes absent from the domain are left out of the sum. With γ = 0 it is logit
    adjustment by the pair prior, with τ = 0 too it is ``erm``.
    """

    HParams = VSLossHParams
    hparams: VSLossHParams
    honours = frozenset({"label_smoothing"})
    scale: Tensor
    shift: Tensor

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: VSLossHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        counts = train_info.counts
        most = counts.amax(1, keepdim=True).clamp(min=1)
        scale = ((counts.double() / most) ** self.hparams.gamma).float()
        shift = log_prior_shift(counts, self.hparams.tau)
        if self.hparams.gamma > 0:  # else an absent class would stay in the sum with the logit 0
            shift = shift.masked_fill(counts == 0, -torch.inf)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", shift, persistent=False)

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of the adjusted logits in each domain."""
        adjusted = self.scale[batch.d] * logits + self.shift[batch.d]
        return super().risks(adjusted, batch)
