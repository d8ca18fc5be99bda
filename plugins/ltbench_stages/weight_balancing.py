"""The second stage of weight balancing: class-balanced loss, weight decay and MaxNorm."""

from __future__ import annotations

import torch
from ltbench_longtail.weighting import effective_weights, weighted_risks
from torch import Tensor, nn

from ltbench.api import Algorithm, Batch, HParams, Losses, Stage, TrainInfo, hparam
from ltbench_stages.classifier import classifier_from


class WeightBalancingHParams(HParams):
    """Hyper-parameters of weight balancing."""

    beta: float = hparam(
        0.9999, low=0.0, high=1.0, search=(0.99, 0.99999), help="of the class-balanced loss"
    )
    decay: float = hparam(
        0.1, low=0.0, search=(1e-4, 1.0), log=True, help="weight decay of the classifier"
    )
    threshold: float = hparam(
        0.1, low=0.0, high=1.0, help="radius: 0 the smallest, 1 the largest norm of a class"
    )


class WeightBalancing(Stage):
    """Weight balancing (Alshammari et al., CVPR 2022, arXiv:2203.14197).

    The features are frozen and the chosen classifier is trained on with the class-balanced loss of
    Cui et al. (weights by the effective number of images of the pair) plus ½·decay·Σ‖w_c‖², for
    as many steps as the stage before. After each step MaxNorm projects every class's weight vector
    into the ball of radius δ (w ← w·min(1, δ/‖w‖)), δ = min‖w_c‖ + threshold·(max‖w_c‖ − min‖w_c‖)
    of the chosen classifier. The first stage is any algorithm; the paper tunes its weight decay,
    which belongs to the protocol.
    """

    HParams = WeightBalancingHParams
    hparams: WeightBalancingHParams
    honours = frozenset({"label_smoothing", "mixed_labels", "accumulate"})
    default_base = "erm"
    classifier: nn.Linear
    radius: Tensor
    weights: Tensor

    def __init__(
        self, base: Algorithm, train_info: TrainInfo, hparams: WeightBalancingHParams
    ) -> None:
        super().__init__(base, train_info, hparams)
        self.classifier = classifier_from(base)
        norms = self.classifier.weight.detach().norm(dim=1)
        smallest, largest = norms.aminmax()
        radius = smallest + self.hparams.threshold * (largest - smallest)
        self.register_buffer("radius", radius)
        weights = effective_weights(train_info.counts, self.hparams.beta)
        self.register_buffer("weights", weights, persistent=False)

    def loss(self, batch: Batch) -> Losses:
        """Return the class-balanced loss and the decay with their sum."""
        ce = self.mixed_risks(self.predict(batch.x), batch).mean()
        decay = 0.5 * self.hparams.decay * self.classifier.weight.square().sum()
        return {"total": ce + decay, "ce": ce, "decay": decay}

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the weighted mean cross-entropy of each domain."""
        nll = self.cross_entropy(logits, batch.y)
        return weighted_risks(nll, self.weights[batch.d, batch.y], batch)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Take one optimisation step and project the weights into the ball."""
        losses = super().step(batch)
        if self.accumulating:
            return losses
        with torch.no_grad():
            norms = self.classifier.weight.norm(dim=1, keepdim=True)
            self.classifier.weight.mul_(self.radius / norms.clamp(min=self.radius))
        return losses
