"""Balanced contrastive learning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ltbench.api import (
    STRONG_VIEW,
    Algorithm,
    Backbone,
    Batch,
    HParams,
    TrainInfo,
    UsageError,
    hparam,
)
from ltbench_longtail.classifiers import CosineClassifier, ScaledClassifier


class BCLHParams(HParams):
    """Hyper-parameters of balanced contrastive learning."""

    weight: float = hparam(
        0.35, low=0.0, search=(0.1, 1.0), log=True, help="μ of the contrastive loss"
    )
    temperature: float = hparam(0.1, low=1e-3, search=(0.05, 0.5), log=True)
    width: int = hparam(128, low=2, search=(64, 512), log=True, help="of the contrastive space")
    scale: float = hparam(
        30.0, low=0.0, before=0.0, help="of the cosine classifier; 0 is a linear one"
    )
    views: int = hparam(
        3, choices=(1, 3), before=1, help="3: two further views are contrasted; 1: the image itself"
    )
    strong: str = hparam(
        STRONG_VIEW, names="augmentations", later=True, help="what augments the two further views"
    )

    @classmethod
    def from_options(cls, options: Mapping[str, Any], owner: str) -> Self:
        """Build from typed options.

        Raises:
            UsageError: an option is out of place, or has no effect.
        """
        hparams = super().from_options(options, owner)
        if hparams.views == 1 and hparams.strong != STRONG_VIEW:
            raise UsageError(
                f"{owner}[strong={hparams.strong}] has no effect with views=1: leave one of them "
                "out"
            )
        return hparams


class BCL(Algorithm):
    """BCL (Zhu et al., "Balanced contrastive learning for long-tailed", CVPR 2022).

    Total: L_LC + μ·L_BCL (arXiv:2207.09052). L_LC is the cross-entropy on z + log n[d, c]. For the
    projections v of the batch, of unit length, with B_c the images of class c and the class's
    prototype, a projection of its classifier weights, the image i of class y has

        −mean over p in B_y∖{i} of log exp(v_i·v_p/τ) / Σ_c mean over k in B_c∖{i} of exp(v_i·v_k/τ)

    and L_BCL is the mean over images. The mean within each class keeps frequent classes from
    dominating the denominator (class averaging); the prototypes put every class into every batch
    (class complement), so each image has a positive. Contrast runs over all domains of the batch.

    z are 30·cos(f, w_c), as in the authors' code (``scale``). Their τ = .07 and width 1024 for
    ImageNet-LT are what the protocol ``imagenet-lt`` sets.

    Each image has three views. The first, as the protocol augments it, is classified; the two
    others, which ``strong`` augments, are contrasted with one another: v are their projections, and
    B_c holds both views of every image. All three pass through the network and the projection
    together, so that batch normalisation sees them as one batch, as in the authors' code. There
    the first view has RandAugment or, on CIFAR, AutoAugment and Cutout besides: ask for them by
    ``--augmentation``. With ``views=1`` the images of the batch are their only view, classified and
    contrasted, which costs a third.
    """

    HParams = BCLHParams
    hparams: BCLHParams
    honours = frozenset({"label_smoothing"})

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: BCLHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        if self.hparams.scale:
            cosine = CosineClassifier(self.num_features, train_info.num_classes)
            self.classifier = ScaledClassifier(cosine, self.hparams.scale)
        self.of_features = projection(self.num_features, self.hparams.width)
        self.of_weights = projection(self.num_features, self.hparams.width)

    @classmethod
    def view_augmentations(cls, hparams: BCLHParams) -> tuple[str, ...]:
        """Return the protocol's, and those of the two views that are contrasted."""
        return ("protocol",) if hparams.views == 1 else ("protocol", hparams.strong, hparams.strong)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the compensated cross-entropy and the contrastive loss with their sum."""
        views = len(batch.views)
        features = self.features(torch.cat(batch.views) if views > 1 else batch.x)
        ce = self.risks(self.classifier(features[: len(batch)]), batch).mean()
        v = F.normalize(self.of_features(features))
        contrast = balanced_contrast(
            v[len(batch) :] if views > 1 else v,
            F.normalize(self.of_weights(self.class_vectors)),
            batch.y.repeat(max(views - 1, 1)),
            self.hparams.temperature,
        )
        return {"total": ce + self.hparams.weight * contrast, "ce": ce, "contrast": contrast}

    @property
    def class_vectors(self) -> Tensor:
        """The classifier's weight vectors (C, F), as they are learnt."""
        plain = self.classifier
        plain = plain.classifier if isinstance(plain, ScaledClassifier) else plain
        return cast(nn.Linear | CosineClassifier, plain).weight

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of the shifted logits in each domain."""
        return super().risks(logits + self.log_prior(batch.d), batch)


def projection(num_features: int, width: int) -> nn.Sequential:
    """Return the paper's projection head of two layers."""
    return nn.Sequential(
        nn.Linear(num_features, num_features),
        nn.BatchNorm1d(num_features),
        nn.ReLU(inplace=True),
        nn.Linear(num_features, width),
    )


def balanced_contrast(v: Tensor, prototypes: Tensor, y: Tensor, temperature: float) -> Tensor:
    """Return L_BCL, a scalar.

    Args:
        v: projections of the images, of all views that are contrasted, (N, P), of unit length.
        prototypes: projections of the classes, (C, P), of unit length.
        y: classes of the images, (N,).
        temperature: τ.
    """
    number = len(prototypes)
    classes = torch.cat([y, torch.arange(number, device=y.device)])
    logits = v @ torch.cat([v, prototypes]).T / temperature
    itself = torch.eye(len(v), len(classes), dtype=torch.bool, device=v.device)
    same = y[:, None] == classes
    members = F.one_hot(classes, number).sum(0)[classes] - same.long()
    # A class mean of exponentials: each logit less the log of its class's size, itself left out.
    averaged = (logits - members.clamp(min=1).log()).masked_fill(itself, -torch.inf)
    log_probability = logits - averaged.logsumexp(1, keepdim=True)
    positive = same & ~itself
    return -((log_probability * positive).sum(1) / positive.sum(1)).mean()
