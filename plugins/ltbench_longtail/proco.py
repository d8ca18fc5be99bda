"""Probabilistic contrastive learning."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
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
from ltbench_longtail.bcl import projection
from ltbench_longtail.classifiers import CosineClassifier, ScaledClassifier
from ltbench_longtail.von_mises_fisher import concentration, log_normaliser_ratio


class ProCoHParams(HParams):
    """Hyper-parameters of probabilistic contrastive learning."""

    weight: float = hparam(
        1.0, low=0.0, search=(0.25, 2.0), log=True, help="α of the contrastive loss"
    )
    temperature: float = hparam(0.1, low=1e-3, search=(0.05, 0.5), log=True, help="τ")
    width: int = hparam(128, low=2, search=(64, 1024), log=True, help="p, of the contrastive space")
    scale: float = hparam(0.0, low=0.0, help="of a cosine classifier; 0 is a linear one")
    estimate: str = hparam(
        "previous",
        choices=("previous", "running"),
        help="classes as they were in the previous epoch, or in it and the present one together",
    )
    corrected: bool = hparam(True, help="κ = R(p − R²)/(1 − R²); off: pR/(1 − R²)")
    strong: str = hparam(STRONG_VIEW, names="augmentations", help="of the two contrasted views")


class ProCo(Algorithm):
    """ProCo (Du et al., "Probabilistic contrastive learning for long-tailed …", TPAMI 2024).

    Total: L_LA + α·L_ProCo (arXiv:2403.06726, section 3). L_LA is the cross-entropy of the first
    view on z + log n[d, c]. The projections v of a class's images, of unit length, are taken to
    follow a von Mises–Fisher distribution with mean direction μ_c and concentration κ_c. Contrast
    with infinitely many images drawn from them has a closed form (the paper's L_in): L_ProCo is the
    cross-entropy of two further, strongly augmented views on the logits

        log C_p(κ_c) − log C_p(‖κ_c·μ_c + v/τ‖) + log n[d, c]

    with C_p the normaliser in p dimensions. The mean of a class's projections over an epoch has the
    direction μ_c and a length R, and κ_c = R(p − R²)/(1 − R²). It is the mean of the epoch before,
    and in the first epoch that of the batches so far; a class that an epoch did not draw keeps its
    older one, and a class never seen is uniform, κ = 0. All domains share the distributions.

    The authors' code, which the published rows were made with, has ``estimate=running``, with the
    batch itself taken in before it is judged, and ``corrected=false``; where a class is not yet
    seen it has a random direction. Theirs are τ = .1, p = 128 and a linear classifier for CIFAR,
    τ = .07, p = 1024 and ``scale=30`` for ImageNet-LT and iNaturalist.
    """

    HParams = ProCoHParams
    hparams: ProCoHParams
    honours = frozenset({"label_smoothing"})
    views: ClassVar[int] = 3
    before_sum: Tensor
    before_count: Tensor
    now_sum: Tensor
    now_count: Tensor

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: ProCoHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        if self.hparams.scale:
            cosine = CosineClassifier(self.num_features, train_info.num_classes)
            self.classifier = ScaledClassifier(cosine, self.hparams.scale)
        self.projection = projection(self.num_features, self.hparams.width)
        for epoch in ("before", "now"):
            sums = torch.zeros(train_info.num_classes, self.hparams.width)
            self.register_buffer(f"{epoch}_sum", sums)
            self.register_buffer(f"{epoch}_count", torch.zeros(train_info.num_classes))

    @classmethod
    def view_augmentations(cls, hparams: ProCoHParams) -> tuple[str, ...]:
        """Return the protocol's augmentation for what is classified, strong ones for contrast."""
        return ("protocol", hparams.strong, hparams.strong)

    def before_step(self, step: int, training: Training) -> None:
        """Begin to look anew at the start of an epoch."""
        if step and step % self.train_info.steps_per_epoch == 0:
            self.end_epoch()

    @torch.no_grad()
    def end_epoch(self) -> None:
        """Make what this epoch has seen that of the epoch before."""
        seen = self.now_count > 0
        self.before_sum.copy_(torch.where(seen[:, None], self.now_sum, self.before_sum))
        self.before_count.copy_(torch.where(seen, self.now_count, self.before_count))
        self.now_sum.zero_()
        self.now_count.zero_()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the compensated cross-entropy and the contrastive loss with their sum."""
        features = self.features(torch.cat(batch.views))
        # One pass through the projection, as through the network: one batch's statistics.
        v = F.normalize(self.projection(features))
        first, *others = v.chunk(self.views)
        ce = self.risks(self.classifier(features[: len(first)]), batch).mean()
        known = []
        for view in others:
            self.observe(view, batch.y)
            known.append(self.directions())
        means, kappas = (torch.stack(parts) for parts in zip(*known, strict=True))
        logits = self.contrast(torch.stack(others), means, kappas)
        contrast = torch.stack([self.risks(each, batch) for each in logits]).mean()
        return {"total": ce + self.hparams.weight * contrast, "ce": ce, "contrast": contrast}

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of the shifted logits in each domain."""
        return super().risks(logits + self.log_prior(batch.d), batch)

    @torch.no_grad()
    def observe(self, v: Tensor, y: Tensor) -> None:
        """Take projections (N, P) of the classes ``y`` (N,) into the present epoch's means."""
        members = F.one_hot(y, len(self.now_count)).to(v.dtype)
        self.now_sum += members.T @ v
        self.now_count += members.sum(0)

    def directions(self) -> tuple[Tensor, Tensor]:
        """Return the mean directions μ (C, P) of the classes and their concentrations κ (C,)."""
        if self.hparams.estimate == "running":
            sums, counts = self.before_sum + self.now_sum, self.before_count + self.now_count
        else:
            known = self.before_count > 0
            sums = torch.where(known[:, None], self.before_sum, self.now_sum)
            counts = torch.where(known, self.before_count, self.now_count)
        means = sums / counts.clamp(min=1)[:, None]
        lengths = means.norm(dim=1)
        kappa = concentration(lengths, self.hparams.width, corrected=self.hparams.corrected)
        return F.normalize(means), kappa

    def contrast(self, v: Tensor, mean: Tensor, kappa: Tensor) -> Tensor:
        """Return log C_p(κ_c) − log C_p(‖κ_c·μ_c + v/τ‖), (…, N, C).

        Args:
            v: projections, (…, N, P), of unit length.
            mean: directions of the classes, (…, C, P).
            kappa: their concentrations, (…, C).
        """
        kappa = kappa[..., None, :]
        near = v @ mean.mT / self.hparams.temperature
        # ‖κμ + v/τ‖² less κ², which may be much larger.
        changes = 2 * kappa * near + 1 / self.hparams.temperature**2
        return log_normaliser_ratio(kappa.square(), changes, self.hparams.width)
