"""Spectral decoupling."""

from __future__ import annotations

from torch import Tensor

from ltbench.api import Batch, hparam
from ltbench_domains.composition import WithLoss, WithLossHParams


class SDHParams(WithLossHParams):
    """Hyper-parameters of spectral decoupling."""

    weight: float = hparam(0.1, low=0.0, search=(1e-5, 1e-1), log=True, help="λ of the penalty")


class SD(WithLoss):
    """Spectral decoupling (Pezeshki et al., "Gradient starvation", NeurIPS 2021, arXiv:2011.09468).

    Total: mean risk + λ·mean of the squared logits (their eq. 17, with DomainBed's mean in place of
    half the sum).
    """

    HParams = SDHParams
    hparams: SDHParams
    honours = frozenset({"label_smoothing", "mixed_labels"})

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean risk, the penalty and their weighted sum."""
        logits = self.predict(batch.x)
        risk = self.mixed_risks(logits, batch).mean()
        penalty = logits.square().mean()
        total = risk + self.hparams.weight * penalty
        return {"total": total, "risk": risk, "penalty": penalty}
