"""Representation self-challenging."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ltbench.api import Batch, hparam
from ltbench_domains.composition import WithLoss, WithLossHParams


class RSCHParams(WithLossHParams):
    """Hyper-parameters of RSC."""

    feature_drop: float = hparam(
        1 / 3, low=0.0, high=1.0, search=(0.0, 0.5), help="share of features that are muted"
    )
    batch_drop: float = hparam(
        1 / 3, low=0.0, high=1.0, search=(0.0, 0.5), help="share of images with muted features"
    )


class RSC(WithLoss):
    """RSC (Huang et al., "Self-challenging improves cross-domain generalization", ECCV 2020).

    arXiv:2007.02454. The gradient of the true class's logit by the features (eq. 1) says what an
    image is recognised by; the features in the top ``feature_drop`` of it are muted (eq. 2). Only
    the ``batch_drop`` images whose true class loses most probability by that keep the mute (section
    3.3). The total is the mean risk of what is left (eq. 3). With either share 0 it is ``erm``.
    """

    HParams = RSCHParams
    hparams: RSCHParams
    honours = frozenset({"label_smoothing"})

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean risk of the partly muted features."""
        features = self.features(batch.x)
        mask = self.mask(features.detach(), batch.y)
        return self.risks(self.classifier(features * mask), batch).mean()

    def mask(self, features: Tensor, y: Tensor) -> Tensor:
        """Return which features (N, F) are kept, as 0 and 1.

        Args:
            features: (N, F), detached.
            y: the true classes, (N,).
        """
        if not (self.hparams.feature_drop and self.hparams.batch_drop):
            return torch.ones_like(features)  # the largest reaches the quantile of a share of 0
        features = features.requires_grad_()
        logits = self.classifier(features)
        (gradient,) = torch.autograd.grad(logits.gather(1, y[:, None]).sum(), features)
        limit = quantile(gradient, 1 - self.hparams.feature_drop)[:, None]
        kept = gradient < limit
        with torch.no_grad():
            muted = self.classifier(features * kept)
            loss = _probability(logits, y) - _probability(muted, y)
            steady = loss < quantile(loss, 1 - self.hparams.batch_drop)
        return (kept | steady[:, None]).to(features.dtype)


def quantile(values: Tensor, level: float) -> Tensor:
    """Return the quantile of the last axis, (…), linear between two values.

    As ``torch.quantile``, which takes a dozen kernels and numbers in float64 that not every device
    has.

    Args:
        values: (…, n).
        level: in 0…1.
    """
    place = level * (values.shape[-1] - 1)
    below = math.floor(place)
    ordered = values.sort(-1).values
    return torch.lerp(ordered[..., below], ordered[..., math.ceil(place)], place - below)


def _probability(logits: Tensor, y: Tensor) -> Tensor:
    """Return the probability of the true classes, (N,)."""
    return logits.softmax(1).gather(1, y[:, None])[:, 0]
