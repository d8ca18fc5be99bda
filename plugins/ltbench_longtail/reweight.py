"""Re-weighting by inverse class frequency."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ltbench.api import Algorithm, Backbone, Batch, HParams, TrainInfo
from ltbench_longtail.weighting import power_weights, weighted_risks


class ReWeight(Algorithm):
    """Inverse-frequency re-weighting (Huang et al., "Learning deep representation", CVPR 2016).

    Risk of domain d: Σ w_i·CE_i / Σ w_i over its images, with w = 1 / n[d, c] scaled to mean 1 over
    the classes present in d. A class absent from the domain has weight 0. (No arXiv entry;
    the rows ``Reweight`` of the MDLT benchmark, arXiv:2203.09513.)

    Attributes:
        power: exponent of the class frequency.
    """

    honours = frozenset({"label_smoothing"})
    min_per_domain = 2
    power: ClassVar[float] = 1.0
    weights: Tensor

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: HParams) -> None:
        super().__init__(backbone, train_info, hparams)
        weights = power_weights(train_info.counts, self.power)
        self.register_buffer("weights", weights, persistent=False)

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the weighted mean cross-entropy of each domain."""
        nll = self.cross_entropy(logits, batch.y)
        return weighted_risks(nll, self.weights[batch.d, batch.y], batch)
