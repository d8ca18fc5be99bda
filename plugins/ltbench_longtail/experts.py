"""Several networks side by side: what methods of experts share."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ltbench.api import Algorithm, Backbone, Batch, TrainInfo
from ltbench_longtail.classifiers import CosineClassifier, ScaledClassifier


class Experts(Algorithm):
    """Base of the methods whose experts are trained with logits shifted differently.

    Each expert is a whole backbone, all starting from the same weights, with a classifier of its
    own; the features are those of the experts side by side, and the prediction is the mean of their
    logits. A subclass overrides :meth:`loss`.

    Args:
        backbone: of one expert.
        train_info: of the training set.
        hparams: of the subclass.
        shifts: what is added to the logits of each expert in training, (experts, D, C), float.
        shared: one backbone for all experts.
        scale: of cosine classifiers; 0 makes linear ones.
    """

    classifier: ExpertClassifiers
    shifts: Tensor

    def __init__(
        self,
        backbone: Backbone,
        train_info: TrainInfo,
        hparams: Any,
        *,
        shifts: Tensor,
        shared: bool,
        scale: float,
    ) -> None:
        number, width = len(shifts), backbone.num_features
        if not shared:
            backbone = ExpertBackbones(backbone, number)
        # Before the rest, which asks for the classifier.
        self._heads, self.shared = (number, width, shared, scale), shared
        super().__init__(backbone, train_info, hparams)
        self.register_buffer("shifts", shifts, persistent=False)

    def make_classifier(self) -> nn.Module:
        """Return a classifier for each expert."""
        super().make_classifier()  # drawn: those of the experts have always come after it
        number, width, shared, scale = self._heads
        return ExpertClassifiers(number, width, self.train_info.num_classes, shared, scale)

    def expert_logits(self, x: Tensor) -> Tensor:
        """Return the logits of every expert, (experts, N, C), for images ``x``."""
        return self.classifier.each(self.features(x))

    def class_weights(self) -> Tensor:
        """Return the weight vectors (C, F) behind the mean of the experts' logits.

        Those of classifiers by cosines have the length of their scale; where experts have features
        of their own, an expert of long features counts for more than in the mean of cosines.
        """
        heads = [head.weight for head in self.classifier.heads]
        if scale := self.classifier.scale:
            heads = [scale * F.normalize(weight) for weight in heads]
        if self.shared:
            return torch.stack(heads).mean(0)
        return torch.cat(heads, dim=1) / len(heads)

    def expert_risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the mean adjusted cross-entropy of each expert and domain, (experts, domains).

        Args:
            logits: of every expert, (experts, N, C).
            batch: the images' classes and domains.
        """
        experts = len(logits)
        adjusted = (logits + self.shifts[:, batch.d]).flatten(0, 1)
        # The images of one expert after another's, as if they were of further domains.
        images = Batch(
            batch.x[:0],
            batch.y.repeat(experts),
            batch.d.repeat(experts),
            num_domains=experts * batch.num_domains,
        )
        if batch.mixed is not None:
            images = replace(images, mixed=replace(batch.mixed, y=batch.mixed.y.repeat(experts)))
        return self.mixed_risks(adjusted, images).view(experts, -1)


class ExpertBackbones(Backbone):
    """Copies of a backbone side by side.

    Args:
        backbone: the first one; the others start as its copies.
        number: how many.
    """

    def __init__(self, backbone: Backbone, number: int) -> None:
        super().__init__()
        copies = [copy.deepcopy(backbone) for _ in range(number - 1)]
        self.backbones = nn.ModuleList([backbone, *copies])
        self.num_features = number * backbone.num_features

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of every copy, concatenated."""
        return torch.cat([backbone(x) for backbone in self.backbones], dim=1)


class ExpertClassifiers(nn.Module):
    """A classifier for each expert; together they return the mean of the experts' logits.

    Args:
        number: of experts.
        width: features of one expert.
        num_classes: number of classes C.
        shared: whether all experts read the same features.
        scale: of cosine classifiers; 0 makes linear ones.

    Attributes:
        width: features of one expert.
        shares: of each expert in the mean, (experts,), if they are not alike; not a part of the
            state. ``None`` where they are.
    """

    shares: Tensor | None

    def __init__(
        self, number: int, width: int, num_classes: int, shared: bool, scale: float = 0.0
    ) -> None:
        super().__init__()
        heads: list[nn.Module] = [
            ScaledClassifier(CosineClassifier(width, num_classes), scale)
            if scale
            else nn.Linear(width, num_classes)
            for _ in range(number)
        ]
        self.heads: Sequence[nn.Linear | ScaledClassifier] = nn.ModuleList(heads)  # type: ignore[assignment]
        self.width, self.shared, self.scale = width, shared, scale
        self.register_buffer("shares", None, persistent=False)

    @property
    def bias(self) -> Tensor | None:
        """The bias (C,) of the mean of linear experts, which those by cosines do not have."""
        if self.scale:
            return None
        return torch.stack([head.bias for head in self.heads if head.bias is not None]).mean(0)

    def parts(self, features: Tensor) -> Tensor:
        """Return what each expert reads of features (N, F), (experts, N, width)."""
        if self.shared:
            return features.expand(len(self.heads), -1, -1)
        return features.view(features.shape[0], len(self.heads), -1).transpose(0, 1)

    def each(self, features: Tensor) -> Tensor:
        """Return the logits of every expert, (experts, N, C)."""
        parts, plain = self.parts(features), [_plain(head) for head in self.heads]
        weights = torch.stack([head.weight for head in plain])
        if not self.scale:
            biases = torch.stack([head.bias for head in plain if isinstance(head, nn.Linear)])
            return torch.baddbmm(biases[:, None], parts, weights.mT)
        return self.scale * (F.normalize(parts, dim=2) @ F.normalize(weights, dim=2).mT)

    def forward(self, features: Tensor) -> Tensor:
        """Return the mean of the experts' logits, (N, C)."""
        logits = self.each(features)
        return logits.mean(0) if self.shares is None else torch.tensordot(self.shares, logits, 1)


def _plain(head: nn.Linear | ScaledClassifier) -> nn.Linear | CosineClassifier:
    return head.classifier if isinstance(head, ScaledClassifier) else head
