"""Weighted softmax cross-entropy."""

from __future__ import annotations

from torch import Tensor

from ltbench.api import Algorithm, Backbone, Batch, HParams, TrainInfo
from ltbench_longtail.weighting import power_weights, weighted_risks


class WeightedSoftmax(Algorithm):
    """Weighted softmax cross-entropy (Midtgaard, master's thesis, Aarhus 2025, eq. 2.4-2.5).

    The loss of an image of class c is −w_c·log p_c, with one weight per class whatever the domain:
    w_c = 1 / n[c] from the pooled counts n[c] = Σ_d n[d, c], scaled to mean 1 over the classes
    present. The risk of a domain is the weighted mean Σ w·loss / Σ w, as of torch's weighted
    cross-entropy, so on balanced data it is the plain cross-entropy. ``reweight`` differs in using
    the counts of each domain.
    """

    honours = frozenset({"label_smoothing"})
    min_per_domain = 2
    weights: Tensor

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: HParams) -> None:
        super().__init__(backbone, train_info, hparams)
        weights = power_weights(train_info.counts.sum(0), 1.0)
        self.register_buffer("weights", weights, persistent=False)

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the weighted mean cross-entropy of each domain."""
        nll = self.cross_entropy(logits, batch.y)
        return weighted_risks(nll, self.weights[batch.y], batch)
