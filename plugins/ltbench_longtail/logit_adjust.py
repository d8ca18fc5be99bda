"""Logit-adjusted cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor

from ltbench.api import Algorithm, Backbone, Batch, HParams, TrainInfo, hparam


class LogitAdjustHParams(HParams):
    """Hyper-parameters of logit adjustment."""

    tau: float = hparam(1.0, low=0.0, search=(0.25, 2.5), help="strength τ; 0 is erm")
    prior: str = hparam(
        "class", choices=("class", "pair"), help="frequencies over all domains, or within each"
    )


class LogitAdjust(Algorithm):
    """Logit-adjusted loss (Menon et al., "Long-tail learning via logit adjustment", ICLR 2021).

    Cross-entropy on z_c + τ·log π (eq. 10, arXiv:2007.07314). ``prior=class`` is the paper's,
    π_c = n[c] / Σ n[c] with n[c] = Σ_d n[d, c]; ``prior=pair`` takes the frequency of the class in
    the image's own domain, π[d, c] = n[d, c] / Σ_c n[d, c], which with τ = 1 is ``bsoftmax``.
    Classes without a training image under the prior are left out of the sum.
    """

    HParams = LogitAdjustHParams
    hparams: LogitAdjustHParams
    honours = frozenset({"label_smoothing"})
    shift: Tensor

    def __init__(
        self, backbone: Backbone, train_info: TrainInfo, hparams: LogitAdjustHParams
    ) -> None:
        super().__init__(backbone, train_info, hparams)
        counts = train_info.counts
        if self.hparams.prior == "class":
            counts = counts.sum(0, keepdim=True).expand_as(counts)
        self.register_buffer("shift", log_prior_shift(counts, self.hparams.tau), persistent=False)

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of the shifted logits in each domain."""
        return super().risks(logits + self.shift[batch.d], batch)


def log_prior_shift(counts: Tensor, tau: float) -> Tensor:
    """Return τ·log π, −inf at absent classes but 0 everywhere when τ is 0, (D, C) float32.

    Args:
        counts: images per class (D, C); π is their share of the row.
        tau: the factor τ.
    """
    if tau == 0:
        return torch.zeros(counts.shape)
    share = counts.double() / counts.sum(1, keepdim=True).clamp(min=1)
    return (tau * share.log()).float()
