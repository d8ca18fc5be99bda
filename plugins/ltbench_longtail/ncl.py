"""Nested collaborative learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ltbench.api import (
    STRONG_VIEW,
    Backbone,
    Batch,
    HParams,
    TrainInfo,
    Training,
    UsageError,
    hparam,
)
from ltbench_longtail.experts import Experts
from ltbench_longtail.momentum import MomentumCopy, Queue

_OF_CONTRAST = ("temperature", "width", "queue", "momentum", "strong")


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
    contrast: float = hparam(
        0.0, low=0.0, search=(0.0, 1.0), help="weight of the self-supervised term, 1 in the paper"
    )
    temperature: float = hparam(0.2, low=1e-3, search=(0.05, 0.5), log=True, help="τ of that term")
    width: int = hparam(64, low=2, search=(32, 1024), log=True, help="of its space")
    queue: int = hparam(1024, low=1, search=(512, 65536), log=True, help="its older keys, at most")
    momentum: float = hparam(0.999, low=0.0, high=1.0, help="of the average that makes its keys")
    strong: str = hparam(STRONG_VIEW, names="augmentations", help="of the view that makes its keys")

    @classmethod
    def from_options(cls, options: Mapping[str, Any], owner: str) -> Self:
        """Build from typed options.

        Raises:
            UsageError: an option is out of place, or has no effect.
        """
        hparams = super().from_options(options, owner)
        idle = [key for key in _OF_CONTRAST if key in hparams.changed()]
        if idle and not hparams.contrast:
            raise UsageError(
                f"{owner}[{idle[0]}=…] has no effect without the self-supervised term: add "
                "contrast=1, or leave it out"
            )
        return hparams


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
    the larger data sets (``scale=16``). Classes absent from a domain are left out of every sum and
    are never hard. All networks start from the same weights; ``shared`` gives them one backbone.

    With ``contrast`` every network also tells each image's second view from other images, by
    momentum contrast (He et al., CVPR 2020, arXiv:1911.05722): the cross-entropy of the key of that
    view among it and a queue of older keys, which a moving average of network and projection
    made; it begins with random vectors. The authors' settings for CIFAR, ImageNet-LT and
    iNaturalist leave it out, that for Places-LT has it; so it is off here. In their code the
    average of the projection stays as it was drawn.
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
        self.average: MomentumCopy | None = None
        if self.hparams.contrast:
            self._build_contrast(int(train_info.counts.sum()))

    def _build_contrast(self, images: int) -> None:
        heads = self.classifier.heads
        inputs, width = self.classifier.width, self.hparams.width
        self.projections = nn.ModuleList(
            nn.Sequential(nn.Linear(inputs, inputs), nn.ReLU(), nn.Linear(inputs, width))
            for _ in heads
        )
        size = min(self.hparams.queue, images)
        queues = [Queue(size, width) for _ in heads]
        self.queues: Sequence[Queue] = nn.ModuleList(queues)  # type: ignore[assignment]
        for queue in self.queues:
            queue.vectors.copy_(F.normalize(torch.randn(size, width)))
        self.average = MomentumCopy(self, ("backbone", "projections"))
        self.step_number, self.queued = 0, (-1, 0)

    @classmethod
    def view_augmentations(cls, hparams: NCLHParams) -> tuple[str, ...]:
        """Return the protocol's augmentation and, with the self-supervised term, a strong one."""
        return ("protocol", hparams.strong) if hparams.contrast else ("protocol",)

    def before_step(self, step: int, training: Training) -> None:
        """Let the moving average follow the networks."""
        if self.average is not None:
            self.average.follow(self, self.hparams.momentum)
            self.step_number = step

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the individual and the distillation losses with their weighted sum."""
        features = self.features(batch.x)
        logits = self.classifier.each(features)
        found = self.nested_losses(logits, batch)
        if batch.mixed is not None:
            other = self.nested_losses(logits, replace(batch, y=batch.mixed.y, mixed=None))
            share = batch.mixed.share
            found = {key: share * value + (1 - share) * other[key] for key, value in found.items()}
        if self.average is None:
            return found
        contrast = self._contrast(self.project(features), self.average.call(self, batch.views[-1]))
        found["total"] = found["total"] + self.hparams.contrast * contrast
        return {**found, "contrast": contrast}

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

    def forward(self, x: Tensor) -> Tensor:
        """Return the projections of every network, (experts, N, width), of unit length."""
        return self.project(self.features(x))

    def project(self, features: Tensor) -> Tensor:
        """Return the projections of features (N, F), (experts, N, width), of unit length."""
        parts = self.classifier.parts(features)
        found = [head(part) for head, part in zip(self.projections, parts, strict=True)]
        return F.normalize(torch.stack(found), dim=2)

    def _contrast(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return the sum over networks of the mean contrastive loss, and queue the keys.

        Negatives are the keys of earlier steps. However often the loss of a batch is asked for, its
        keys are queued once.

        Args:
            queries: of every network, (experts, N, width), of unit length.
            keys: of the same images' second views.
        """
        losses = []
        for queue, q, k in zip(self.queues, queries, keys, strict=True):
            vectors, steps = queue.contents()
            # Copied, for what is queued below would change what the gradient is computed from.
            unlike = (q @ vectors.clone().T).masked_fill(steps == self.step_number, -torch.inf)
            scores = torch.cat([(q * k).sum(1, keepdim=True), unlike], 1) / self.hparams.temperature
            losses.append(-scores.log_softmax(1)[:, 0].mean())
            if self.queued != (self.step_number, self.micro_batch):
                queue.put(k, torch.full((len(k),), self.step_number, device=k.device))
        self.queued = (self.step_number, self.micro_batch)
        return torch.stack(losses).sum()

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
