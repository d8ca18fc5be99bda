"""Balanced product of calibrated experts."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ltbench.api import Algorithm, Backbone, Batch, HParams, Losses, TrainInfo, hparam
from ltbench_longtail.classifiers import CosineClassifier, ScaledClassifier
from ltbench_longtail.logit_adjust import log_prior_shift
from ltbench_longtail.mixing import mixed_pair


class BalPoEHParams(HParams):
    """Hyper-parameters of the balanced product of experts."""

    experts: int = hparam(3, low=1, search=(2, 4), help="number of experts")
    spread: float = hparam(
        1.0, low=0.0, high=1.0, help="biases are equally spaced in 1 − spread … 1 + spread"
    )
    alpha: float = hparam(
        0.4, low=0.0, search=(0.1, 1.0), log=True, help="of the mixup that calibrates; 0 is none"
    )
    shared: bool = hparam(False, help="one backbone for all experts: cheaper, less diverse")
    scale: float = hparam(
        30.0, low=0.0, before=0.0, help="of the cosine classifiers; 0 is linear ones"
    )


class BalPoE(Algorithm):
    """BalPoE (Aimar et al., "Balanced product of calibrated experts", CVPR 2023).

    Expert e is trained by the cross-entropy on z_e + τ_e·log π[d, c], on mixup images for
    calibration; the loss is the mean over experts and the prediction the mean of their logits, a
    product of experts (arXiv:2206.05260). Biases τ_e are equally spaced around 1 (0, 1, 2 for three
    experts), so one expert keeps the bias of the data, one is balanced, one prefers rare classes,
    and the product is balanced. The classifiers are cosines times 30, as in the authors' code; with
    ``scale=0``, one expert and α = 0 it is ``bsoftmax``. Classes absent from a
    domain are left out of the sum by experts with τ_e > 0.

    In the paper experts share the first blocks of one network. A backbone is a closed box here, so
    each expert is a whole backbone, all starting from the same weights, and the features are those
    of the experts side by side. It costs as many times the parameters and multiply-adds of ``erm``
    as there are experts: compare it with methods of that size. ``shared`` gives all experts one
    backbone, and a classifier each; it costs what ``erm`` costs.
    """

    HParams = BalPoEHParams
    hparams: BalPoEHParams
    honours = frozenset({"label_smoothing", "mixed_labels"})
    classifier: ExpertClassifiers
    shifts: Tensor

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: BalPoEHParams) -> None:
        number = hparams.experts
        width = backbone.num_features
        if not hparams.shared:
            backbone = ExpertBackbones(backbone, number)
        super().__init__(backbone, train_info, hparams)
        self.classifier = ExpertClassifiers(
            number, width, train_info.num_classes, self.hparams.shared, self.hparams.scale
        )
        low, high = 1 - self.hparams.spread, 1 + self.hparams.spread
        biases = torch.linspace(low, high, number).tolist() if number > 1 else [1.0]
        shifts = torch.stack([log_prior_shift(train_info.counts, tau) for tau in biases])
        self.register_buffer("shifts", shifts, persistent=False)

    def loss(self, batch: Batch) -> Losses:
        """Return the mean over experts and domains of the mixed, adjusted risks."""
        mixed, partners, share = mixed_pair(batch, self.hparams.alpha, self.generator)
        logits = self.classifier.each(self.features(mixed.x))
        own, other = self.expert_risks(logits, mixed), self.expert_risks(logits, partners)
        return (share * own + (1 - share) * other).mean()

    def class_weights(self) -> Tensor:
        """Return the weight vectors (C, F) behind the mean of the experts' logits."""
        heads = [head.weight for head in self.classifier.heads]
        if self.hparams.shared:
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
    """

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
        self.shared, self.scale = shared, scale

    def each(self, features: Tensor) -> Tensor:
        """Return the logits of every expert, (experts, N, C)."""
        number, plain = len(self.heads), [_plain(head) for head in self.heads]
        if self.shared:
            parts = features.expand(number, -1, -1)
        else:
            parts = features.view(features.shape[0], number, -1).transpose(0, 1)
        weights = torch.stack([head.weight for head in plain])
        if not self.scale:
            biases = torch.stack([head.bias for head in plain if isinstance(head, nn.Linear)])
            return torch.baddbmm(biases[:, None], parts, weights.mT)
        return self.scale * (F.normalize(parts, dim=2) @ F.normalize(weights, dim=2).mT)

    def forward(self, features: Tensor) -> Tensor:
        """Return the mean of the experts' logits, (N, C)."""
        return self.each(features).mean(0)


def _plain(head: nn.Linear | ScaledClassifier) -> nn.Linear | CosineClassifier:
    return head.classifier if isinstance(head, ScaledClassifier) else head
