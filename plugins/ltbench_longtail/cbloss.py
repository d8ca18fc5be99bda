"""Class-balanced loss."""

from __future__ import annotations

from torch import Tensor

from ltbench.api import Algorithm, Backbone, Batch, HParams, TrainInfo, hparam
from ltbench_longtail.weighting import effective_weights, weighted_risks


class CBLossHParams(HParams):
    """Hyper-parameters of the class-balanced loss."""

    beta: float = hparam(
        0.9999,
        low=0.0,
        high=1.0,
        search=(0.99, 0.99999),
        help="0 is erm, 1 is reweight",
    )


class CBLoss(Algorithm):
    """Class-balanced loss (Cui et al., "Effective number of samples", CVPR 2019).

    Cross-entropy weighted by the inverse of the effective number of images
    E_n = (1 − β^n) / (1 − β) of the pair (d, c), scaled to mean 1 over the classes present in
    domain d (arXiv:1901.05555). The risk of a domain is the weighted mean Σ w·CE / Σ w. A class
    absent from a domain has weight 0.
    """

    HParams = CBLossHParams
    hparams: CBLossHParams
    honours = frozenset({"label_smoothing"})
    min_per_domain = 2
    weights: Tensor

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: CBLossHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        weights = effective_weights(train_info.counts, self.hparams.beta)
        self.register_buffer("weights", weights, persistent=False)

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the weighted mean cross-entropy of each domain."""
        nll = self.cross_entropy(logits, batch.y)
        return weighted_risks(nll, self.weights[batch.d, batch.y], batch)
