"""Nested collaborative learning."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ltbench.api import Backbone, Batch, HParams, TrainInfo, hparam
from ltbench_longtail.experts import Experts


class NCLHParams(HParams):
    """Hyper-parameters of nested collaborative learning."""

    experts: int = hparam(3, low=1, search=(2, 4), help="number of networks K")
    weight: float = hparam(
        0.6, low=0.0, search=(0.2, 1.0), help="λ of the distillation, over all and hard classes"
    )
    partial: float = hparam(
        1.0, low=0.0, search=(0.0, 2.0), help="weight of the cross-entropy over hard classes"
    )
    hard: float = hparam(
        0.3, low=0.0, high=1.0, search=(0.1, 0.6), help="share of the classes that is hard"
    )
    outside: str = hparam(
        "out",
        choices=("out", "zero"),
        help="classes that are not hard: left out of the softmax, or their logits 0",
    )
    shared: bool = hparam(False, help="one backbone for all networks: cheaper, less diverse")
    scale: float = hparam(0.0, low=0.0, help="of cosine classifiers; 0 is linear ones")


class NCL(Experts):
    """NCL (Li et al., "Nested collaborative learning for long-tailed recognition", CVPR 2022).

    K networks learn together (arXiv:2203.15359). With s = z + log n[d, ·] of each, the loss is

        Σ_k [CE(s_k) + CE(s_k | H)] + λ·[D(s) + D(s | H)]
        D(s) = Σ_k Σ_{j≠k} KL(softmax s_j ‖ softmax s_k) / (K − 1)

    with the means over images, where "| H" restricts the softmax to the image's hard classes: its
    own, and those with the largest logits of the first network, together a share ``hard`` of all
    classes (30 of 100, 300 of 1000). No network is held fixed in D, and the prediction is the mean
    of the logits.

    In the authors' code, which published rows used, logits outside of H are not left out of the
    softmax but set to 0: ``outside=zero``. Classifiers are linear on CIFAR and 16 times a cosine on
    the larger data sets (``scale=16``). Of the paper the self-supervised term is not here, which
    the authors' settings for CIFAR, ImageNet-LT and iNaturalist leave out as well. Classes absent
    from a domain are left out of every sum and are never hard. All networks start from the same
    weights, and ``shared`` gives them one backbone.
    """

    HParams = NCLHParams
    hparams: NCLHParams
    honours = frozenset({"label_smoothing", "mixed_labels"})

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: NCLHParams) -> None:
        log_counts = train_info.counts.float().log()
        super().__init__(
            backbone,
            train_info,
            hparams,
            shifts=log_counts.repeat(hparams.experts, 1, 1),
            shared=hparams.shared,
            scale=hparams.scale,
        )
        number = round(hparams.hard * train_info.num_classes)
        self.hard_classes = min(max(number, 2), train_info.num_classes)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the individual and the distillation losses with their weighted sum."""
        logits = self.expert_logits(batch.x)
        own = self.nested_losses(logits, batch)
        if batch.mixed is None:
            return own
        other = self.nested_losses(logits, replace(batch, y=batch.mixed.y, mixed=None))
        share = batch.mixed.share
        return {name: share * value + (1 - share) * other[name] for name, value in own.items()}

    def nested_losses(self, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the losses over all and over hard classes, scalars, and their sum as ``total``.

        Args:
            logits: of every network, (experts, N, C).
            batch: the images' classes and domains.
        """
        shifts = self.shifts[:, batch.d]
        balanced, absent = logits + shifts, shifts[0].isinf()
        scores = logits[0].detach().masked_fill(absent, -torch.inf)
        hard = hard_classes(scores, batch.y, self.hard_classes)
        if self.hparams.outside == "zero":
            partial = balanced.where(hard | absent, 0.0)
        else:
            partial = balanced.masked_fill(~hard, -torch.inf)
        ce, ce_hard = (self._individual(z, batch.y) for z in (balanced, partial))
        distilled, distilled_hard = disagreement(balanced), disagreement(partial)
        total = ce + self.hparams.partial * ce_hard
        total = total + self.hparams.weight * (distilled + distilled_hard)
        return {
            "total": total,
            "ce": ce,
            "ce_hard": ce_hard,
            "distillation": distilled,
            "distillation_hard": distilled_hard,
        }

    def _individual(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the sum over networks of the mean cross-entropy, a scalar."""
        losses = self.cross_entropy(logits.flatten(0, 1), y.repeat(len(logits)))
        return losses.view(len(logits), -1).mean(1).sum()


def hard_classes(logits: Tensor, y: Tensor, number: int) -> Tensor:
    """Return which classes are hard for each image: its own and those of the largest logits.

    Args:
        logits: (N, C).
        y: classes of the images, (N,).
        number: of hard classes, the image's own included.

    Returns:
        (N, C), bool.
    """
    scores = logits.scatter(1, y[:, None], torch.inf)
    return torch.zeros_like(logits, dtype=torch.bool).scatter(1, scores.topk(number).indices, True)


def disagreement(logits: Tensor) -> Tensor:
    """Return the mean over images of Σ_k Σ_{j≠k} KL(p_j ‖ p_k) / (K − 1), a scalar.

    Args:
        logits: of K networks, (K, N, C); −inf where a class has no share.
    """
    number = len(logits)
    log_p = logits.log_softmax(2)
    p = log_p.exp()
    log_p = log_p.where(logits != -torch.inf, 0.0)
    # Of a network with itself KL is 0, so all pairs may be summed.
    sums = number * (p * log_p).sum(0) - p.sum(0) * log_p.sum(0)
    return sums.sum(1).mean() / max(number - 1, 1)
