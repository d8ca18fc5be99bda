"""Global and local mixture consistency."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, cast

import torch
from ltbench_augmentations.rectangles import inside
from ltbench_domains.mixing import sample_beta
from torch import Tensor, nn
from torch.nn import functional as F

from ltbench.api import (
    STRONG_VIEW,
    Algorithm,
    Backbone,
    Batch,
    HParams,
    TrainInfo,
    Training,
    hparam,
)
from ltbench_longtail.weighting import power_weights


class GLMCHParams(HParams):
    """Hyper-parameters of global and local mixture consistency."""

    mixing: float = hparam(
        0.5, low=0.0, search=(0.1, 1.0), log=True, help="of the beta distribution; 0 mixes nothing"
    )
    weight: float = hparam(
        1.0, low=0.0, search=(0.5, 10.0), log=True, help="γ of the consistency of the two mixtures"
    )
    power: float = hparam(
        1.0, low=0.0, search=(0.5, 1.5), help="weights of the re-weighted loss are 1/n^power"
    )
    width: int = hparam(128, low=2, search=(64, 512), log=True, help="of the compared projections")
    normalise: str = hparam(
        "auto",
        choices=("auto", "always", "never"),
        help="batch normalisation of the projections; auto where the network has none that adapts",
    )
    second: str = hparam(
        "class-balanced",
        choices=("uniform", "class-balanced", "reversed"),
        help="how what is mixed in is drawn",
    )
    strong: str = hparam(STRONG_VIEW, names="augmentations", help="of the second view")


class GLMC(Algorithm):
    """GLMC (Du et al., "Global and local mixture consistency cumulative learning …", CVPR 2023).

    arXiv:2305.08661. Images of the batch are mixed with those of a class-balanced one, image by
    image within a domain: the first views globally, by mixup with the share λ ~ Beta(β, β), the
    second views locally, by CutMix with a rectangle of 1 − λ of the area. Labels are mixed by λ,
    one a batch, whatever of the rectangle sticks out of the image. The loss over both mixtures is

        a·Σ CE + (1 − a)·Σ CE_w + γ·(L(p_1, z_2) + L(p_2, z_1)),   a = 1 − (t/T)²

    at step t of T. CE is that of a classifier of its own; CE_w, of the classifier that predicts,
    weighs each label by 1/n[d, c]^k, scaled to mean 1 over the classes of its domain. L(p, z) is
    minus the cosine of a prediction p, from one mixture's projection, and the other's projection
    z, which gets no gradient (SimSiam). Where nothing is mixed and γ = 0 the loss goes from twice
    that of ``erm`` to twice the sum of w·CE.

    Defaults are near those that the authors have for CIFAR-10-LT. They have γ = 4 for CIFAR-100-LT
    and 10 for ImageNet-LT, which the protocols set. Their projections are linear, and their
    networks normalise batches; where nothing does, all features become one (Chen and He, "Exploring
    simple siamese representation learning", CVPR 2021, section 4.4), so that here projections of a
    network without it, or whose statistics the protocol freezes, are normalised, unless
    ``normalise=never`` says otherwise. Their second
    sampler makes a class likely by n^(1 − k), k = 0 (``second=uniform``) on CIFAR and .2 on
    ImageNet-LT. Their two views are augmented alike (``strong=protocol``). Here the second one is
    by default augmented strongly, for
    a protocol may augment nothing. They change a once an epoch.
    """

    HParams = GLMCHParams
    hparams: GLMCHParams
    honours = frozenset({"label_smoothing"})
    views: ClassVar[int] = 2
    weights: Tensor

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: GLMCHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        self.second_sampling = self.hparams.second  # type: ignore[misc]
        self.plain = copy.deepcopy(self.classifier)
        self.projection: nn.Module = nn.Linear(self.num_features, self.hparams.width)
        if self._normalises():
            self.projection = nn.Sequential(self.projection, nn.BatchNorm1d(self.hparams.width))
        self.prediction = nn.Linear(self.hparams.width, self.hparams.width)
        weights = power_weights(train_info.counts, self.hparams.power)
        self.register_buffer("weights", weights, persistent=False)
        self.progress = 0.0

    def _normalises(self) -> bool:
        if self.hparams.normalise != "auto":
            return self.hparams.normalise == "always"
        kind = nn.modules.batchnorm._BatchNorm
        there = any(isinstance(module, kind) for module in self.backbone.modules())
        return self.train_info.freeze_bn or not there  # with fixed statistics nothing is normalised

    @classmethod
    def view_augmentations(cls, hparams: Any) -> tuple[str, ...]:
        """Return the protocol's augmentation for mixup, and a strong one for CutMix."""
        return ("protocol", hparams.strong)

    def before_step(self, step: int, training: Training) -> None:
        """Take note of the share t/T of the training that is over."""
        self.progress = step / max(1, self.train_info.steps)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the plain, the re-weighted and the consistency loss with their weighted sum."""
        second = cast(Batch, batch.second)
        share = self.draw_share()
        features = [
            self.features(share * batch.views[0] + (1 - share) * second.views[0]),
            self.features(self.cut_and_mix(batch.views[1], second.views[1], share)),
        ]
        plain = torch.stack(
            [self.mean_risk(self.plain(f), batch, second, share) for f in features]
        ).sum()
        weighted = torch.stack(
            [
                self.mean_risk(self.classifier(f), batch, second, share, self.weights)
                for f in features
            ]
        ).sum()
        z = [self.projection(f) for f in features]
        contrast = opposed(self.prediction(z[0]), z[1]) + opposed(self.prediction(z[1]), z[0])
        past = self.progress**2
        total = (1 - past) * plain + past * weighted + self.hparams.weight * contrast
        return {"total": total, "ce": plain, "reweighted": weighted, "consistency": contrast}

    def draw_share(self) -> Tensor:
        """Return λ, a scalar."""
        if self.hparams.mixing == 0:
            return torch.ones((), device=self.weights.device)
        return sample_beta(self.hparams.mixing, 1, self.generator).squeeze()

    def cut_and_mix(self, x: Tensor, others: Tensor, share: Tensor) -> Tensor:
        """Return images (N, channels, H, W) with a rectangle of others; all the same one."""
        side = x.shape[-1]
        half = ((1 - share).sqrt() * side).ceil().div(2).floor()
        centre = torch.randint(side, (2,), generator=self.generator, device=x.device)
        (top, left), (bottom, right) = ((centre + d * half).clamp(0, side) for d in (-1, 1))
        return torch.where(inside(top, bottom, left, right, side), others, x)

    def mean_risk(
        self,
        logits: Tensor,
        batch: Batch,
        second: Batch,
        share: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Return the mean cross-entropy of mixed images, a scalar.

        Args:
            logits: (N, C).
            batch: the images that have the share λ in the mixtures.
            second: what is mixed into them.
            share: λ.
            weights: of the labels, by domain and class, (D, C); 1 without.
        """
        own, other = (self.cross_entropy(logits, part.y) for part in (batch, second))
        if weights is not None:
            own = weights[batch.d, batch.y] * own
            other = weights[second.d, second.y] * other
        return (share * own + (1 - share) * other).mean()


def opposed(p: Tensor, z: Tensor) -> Tensor:
    """Return minus the mean cosine of vectors p and z, (N, P) each; z gets no gradient."""
    return -F.cosine_similarity(p, z.detach()).mean()
