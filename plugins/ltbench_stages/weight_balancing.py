"""The second stage of weight balancing: class-balanced loss, weight decay and MaxNorm."""

from __future__ import annotations

import torch
from ltbench_longtail.weighting import effective_weights, weighted_risks
from torch import Tensor, nn
from torch.nn import functional as F

from ltbench.api import Algorithm, Batch, Losses, TrainInfo, Training, hparam
from ltbench_stages.classifier import classifier_from
from ltbench_stages.retrained import Retrained, RetrainedHParams


class WeightBalancingHParams(RetrainedHParams):
    """Hyper-parameters of weight balancing."""

    beta: float = hparam(
        0.9999, low=0.0, high=1.0, search=(0.99, 0.99999), help="of the class-balanced loss"
    )
    decay: float = hparam(
        10.0, low=0.0, search=(0.1, 100.0), log=True, help="weight decay of the classifier"
    )
    threshold: float = hparam(
        0.1, low=0.0, high=1.0, help="radius: 0 the smallest, 1 the largest norm of a class"
    )
    projection: int = hparam(
        0, low=0, before=1, help="steps between projections into the ball; 0 is those of an epoch"
    )
    loss: str = hparam(
        "cross-entropy",
        choices=("cross-entropy", "binary"),
        later=True,
        help="binary is that of the authors' code, whose decay is 0.1",
    )


class WeightBalancing(Retrained):
    """Weight balancing (Alshammari et al., CVPR 2022, arXiv:2203.14197).

    The features are frozen and the chosen classifier is trained on with the class-balanced loss of
    Cui et al. (weights by the effective number of images of the pair) plus ½·decay·Σ‖w_c‖². Once an
    epoch, and at the end, MaxNorm projects every class's weight vector into the ball of radius δ
    (w ← w·min(1, δ/‖w‖)), δ = min‖w_c‖ + threshold·(max‖w_c‖ − min‖w_c‖) of the chosen classifier.
    The first stage is any algorithm; the paper tunes its weight decay, which belongs to the
    protocol. The authors train the second for 10 epochs with a cosine from .01, as protocols of
    CIFAR set here.

    The authors' code has the binary cross-entropy of the softmax, Σ_c −t_c·log p_c −
    (1 − t_c)·log(1 − p_c), weighted by the true class, as its mean over images × classes: with 100
    classes about a hundredth of the cross-entropy, so that its decay of .1 is about 8–11 beside
    cross-entropy where weights have mean 1. ``loss=binary`` is that loss itself; its decay is .1.
    """

    HParams = WeightBalancingHParams
    hparams: WeightBalancingHParams
    honours = frozenset({"label_smoothing", "mixed_labels", "accumulate", "fp16"})
    min_per_domain = 2
    default_base = "erm"
    classifier: nn.Linear
    done = 0
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

    def before_step(self, step: int, training: Training) -> None:
        """Note the step, for the projections."""
        self.done = step

    def loss(self, batch: Batch) -> Losses:
        """Return the class-balanced loss and the decay with their sum."""
        ce = self.mixed_risks(self.predict(batch.x), batch).mean()
        decay = 0.5 * self.hparams.decay * self.classifier.weight.square().sum()
        return {"total": ce + decay, "ce": ce, "decay": decay}

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the weighted mean loss of each domain."""
        weights = self.weights[batch.d, batch.y]
        if self.hparams.loss == "binary":
            return batch.per_domain(weights * self.binary(logits, batch.y)).mean(1)
        return weighted_risks(self.cross_entropy(logits, batch.y), weights, batch)

    def binary(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the mean over classes of the binary cross-entropies of the softmax, (N,).

        Args:
            logits: (N, C).
            y: classes, (N,).
        """
        share, classes = self.train_info.label_smoothing, logits.shape[1]
        target = (1 - share) * F.one_hot(y, classes).to(logits.dtype) + share / classes
        return F.binary_cross_entropy(logits.softmax(1), target, reduction="none").mean(1)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Take one optimisation step and project the weights into the ball when it is time."""
        losses = super().step(batch)
        every, number = self.hparams.projection or self.train_info.steps_per_epoch, self.done + 1
        if not self.accumulating and (number % every == 0 or number == self.train_info.steps):
            self.project()
        return losses

    @torch.no_grad()
    def project(self) -> None:
        """Shorten the weight vectors that are longer than the radius to it."""
        norms = self.classifier.weight.norm(dim=1, keepdim=True)
        self.classifier.weight.mul_(torch.where(norms > self.radius, self.radius / norms, 1.0))
