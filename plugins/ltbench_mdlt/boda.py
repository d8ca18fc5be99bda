"""Balanced domain-class distribution alignment."""

from __future__ import annotations

import torch
from ltbench_domains.composition import WithLoss, WithLossHParams
from ltbench_domains.distances import moment_distance, sample_moments
from ltbench_domains.schedule import in_proportion
from torch import Tensor

from ltbench.api import Backbone, Batch, TrainInfo, Training, hparam

REFERENCE_START = 500
REFERENCE_UPDATE = 120


class BoDAHParams(WithLossHParams):
    """Hyper-parameters of BoDA."""

    weight: float = hparam(0.1, low=0.0, search=(1e-2, 1.0), log=True, help="of the BoDA loss")
    nu: float = hparam(0.5, low=0.0, search=(0.2, 1.5), help="calibration exponent ν")
    temperature: float = hparam(1.0, low=1e-6, search=(0.1, 10.0), log=True)
    macro: float = hparam(
        1.0, low=0.0, search=(1e-2, 1e2), log=True, help="of the alignment of whole domains"
    )
    momentum: float = hparam(0.2, low=0.0, high=1.0, help="share of the old centroids")
    start: int = hparam(
        0,
        low=0,
        steps="whole",
        begins=True,
        help="first step of the BoDA loss; 0: 500 of 5001, in proportion",
    )
    update: int = hparam(
        0,
        low=0,
        steps="whole",
        help="steps between refreshes; 0: 120 of 5001, at most one an epoch",
    )


class BoDA(WithLoss):
    """BoDA (Yang et al., "On multi-domain long-tailed recognition", ECCV 2022, eq. 4).

    Total: CE + w·L_BoDA + macro·L_macro (arXiv:2203.09513). With centroids μ[d', c'] of the
    training features of every domain-class pair, image i of the pair (d, c) has the logits

        −‖f_i − μ[d', c']‖ / n[d, c] · (n[d', c'] / n[d, c])^ν / T

    and L_BoDA is minus the mean, over all pairs of an image and a centroid of its class in another
    domain, of logit − log Σ exp(logits of all centroids but that of the image's own pair). L_macro
    is the distance of mean and covariance between domains, that of CORAL.

    Centroids come from a pass over the training images, not augmented, in evaluation mode, the
    first at ``start`` and then every ``update`` steps, mixed with the old ones by ``momentum``. The
    protocol ``mdlt`` at its whole length has the authors' values, every 120 steps from step 500 on,
    or every 2000 from 3000 on on DomainNet. In other trainings both are in proportion to 5001
    steps, but the images are passed over at most once an epoch: between two closer passes the
    features hardly move.
    """

    HParams = BoDAHParams
    hparams: BoDAHParams
    honours = frozenset({"label_smoothing"})
    min_domains = 2
    min_per_domain = 2
    centroids: Tensor
    refreshes: Tensor

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: BoDAHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        pairs = train_info.num_domains * train_info.num_classes
        self.register_buffer("centroids", torch.zeros(pairs, self.num_features))
        self.register_buffer("refreshes", torch.zeros((), dtype=torch.int64))
        self.start, self.update = schedule(
            train_info, int(self.hparams.start), int(self.hparams.update)
        )

    def before_step(self, step: int, training: Training) -> None:
        """Refresh the centroids when it is time."""
        super().before_step(step, training)
        if step >= self.start and (step - self.start) % self.update == 0:
            found = training.extract_features("train")
            self.refresh(found.features, found.y, found.d)

    def refresh(self, features: Tensor, y: Tensor, d: Tensor) -> None:
        """Set the centroids to the means of ``features`` (N, F), mixed with the old ones.

        The first refresh takes no momentum.
        """
        pair = d * self.train_info.num_classes + y
        sums = torch.zeros_like(self.centroids).index_add_(0, pair, features)
        means = sums / self.counts.view(-1, 1).clamp(min=1)
        momentum = torch.where(self.refreshes > 0, self.hparams.momentum, 0.0)
        self.centroids.copy_((1 - momentum) * means + momentum * self.centroids)
        self.refreshes += 1

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the risk, the BoDA loss once centroids exist, and the macro alignment."""
        features = self.features(batch.x)
        ce = self.risks(self.classifier(features), batch).mean()
        macro = moment_distance(*sample_moments(batch.per_domain(features)))
        boda = self.alignment(features, batch.y, batch.d)
        total = ce + self.hparams.weight * boda + self.hparams.macro * macro
        return {"total": total, "ce": ce, "boda": boda, "macro": macro}

    def alignment(self, features: Tensor, y: Tensor, d: Tensor) -> Tensor:
        """Return L_BoDA, a scalar; 0 before the first centroids and without any positive."""
        classes = self.train_info.num_classes
        counts = self.counts.view(-1)
        own = d * classes + y
        pair = torch.arange(len(counts), device=features.device)
        n = counts[own][:, None]
        scale = (counts / n) ** self.hparams.nu / (n * -self.hparams.temperature)
        logits = torch.cdist(features, self.centroids) * scale
        hidden = (counts == 0) | (own[:, None] == pair)
        lowest = torch.finfo(logits.dtype).min  # of which the exponential is 0 too
        sums = logits.masked_fill(hidden, lowest).logsumexp(1)
        same_class = pair % classes == y[:, None]
        counted = same_class & ~hidden & (self.refreshes > 0)
        share = counted.to(logits.dtype) / counted.sum().clamp(min=1)
        return sums @ share.sum(1) - (logits * share).sum()


def schedule(info: TrainInfo, start: int, update: int) -> tuple[int, int]:
    """Return the first step of the loss and the steps between refreshes.

    Args:
        info: of the training set.
        start, update: as given; 0 stands for the reference's values in proportion.
    """
    proportional = max(in_proportion(REFERENCE_UPDATE, info.steps), info.steps_per_epoch)
    first = start or in_proportion(REFERENCE_START, info.steps)
    return first, update or max(min(proportional, info.steps), 1)
