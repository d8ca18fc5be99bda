"""Uniform risk minimisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from ltbench.api import Backbone, Batch, MakeOptimizer, TrainInfo, hparam
from ltbench_domains.composition import WithLoss, WithLossHParams


class URMHParams(WithLossHParams):
    """Hyper-parameters of URM."""

    weight: float = hparam(0.1, low=0.0, search=(0.0, 0.2), help="λ of the adversarial loss")
    width: int = hparam(100, low=1, search=(32, 512), log=True, help="of the discriminator")


class URM(WithLoss):
    """URM (Krishnamachari et al., "Uniformly distributed feature representations", TMLR 2024).

    openreview.net/forum?id=PgLbS5yp8n. Features go through tanh, and a discriminator learns to tell
    them from noise that is uniform on [−1, 1): it lowers BCE(noise, 1) + λ·BCE(f, 0), the features
    and the classifier lower R + λ·BCE(f, 1). Both players step in every step, the features first.
    Domains are not used.
    """

    HParams = URMHParams
    hparams: URMHParams
    honours = frozenset({"label_smoothing", "mixed_labels", "fp16"})

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: URMHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        width = self.hparams.width
        self.discriminator = nn.Sequential(
            nn.Linear(self.num_features, width),
            nn.LeakyReLU(),
            nn.Linear(width, width),
            nn.LeakyReLU(),
            nn.Linear(width, 1),
        )

    def features(self, x: Tensor) -> Tensor:
        """Return the features (N, F) of images, between −1 and 1."""
        return super().features(x).tanh()

    def configure_optimizers(self, make: MakeOptimizer) -> dict[str, Optimizer]:
        """Return one optimiser for each player."""
        features = [p for p in self.backbone.parameters() if p.requires_grad]
        return {
            "main": make([*features, *self.classification_parameters()]),
            "discriminator": make(self.discriminator.parameters()),
        }

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Take a step of the features, then one of the discriminator."""
        features = self.features(batch.x)
        risk = self.mixed_risks(self.classifier(features), batch).mean()
        adversarial = self.judged(features, real=True)
        total = risk + self.hparams.weight * adversarial
        self.minimize(total)

        shape, device = features.shape, self.generator.device
        noise = 2 * torch.rand(shape, generator=self.generator, device=device).to(features) - 1
        fake = self.judged(features.detach(), real=False)
        discriminator = self.judged(noise, real=True) + self.hparams.weight * fake
        self.minimize(discriminator, "discriminator")
        parts = {"total": total, "risk": risk, "adversarial": adversarial}
        parts["discriminator"] = discriminator
        return {name: value.detach() for name, value in parts.items()}

    def judged(self, features: Tensor, real: bool) -> Tensor:
        """Return the discriminator's cross-entropy if all features (N, F) were real, or none."""
        logits = self.discriminator(features)[:, 0]
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))
