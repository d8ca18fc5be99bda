"""Marginal transfer learning."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ltbench.api import Backbone, Batch, TrainInfo, hparam
from ltbench_domains.composition import WithLoss, WithLossHParams


class MTLHParams(WithLossHParams):
    """Hyper-parameters of MTL."""

    ema: float = hparam(
        0.99, low=0.0, high=1.0, search=(0.5, 1.0), help="share of the batch in the embedding"
    )
    reference_noise: bool = hparam(
        False, help="overwrite the embedding with noise, as the benchmark's code does"
    )


class MTL(WithLoss):
    """Marginal transfer learning (Blanchard et al., JMLR 2021, eq. 9, arXiv:1711.07910).

    The classifier sees [f, e_d]: the image's features and the embedding of its domain's marginal
    distribution, the mean of the domain's features. A step sets e_d to ema·(mean over the batch) +
    (1 − ema)·e_d. The total is the mean over domains of the risks.

    A prediction must not depend on which images are asked about together, and the domain is not
    given; an image takes the embedding of the domain whose embedding is nearest to its features.

    ``reference_noise`` puts standard normal noise in the place of every embedding, which is what
    DomainBed's and the MDLT benchmark's code comes to (``.normal_()`` writes in place).
    """

    HParams = MTLHParams
    hparams: MTLHParams
    honours = frozenset({"label_smoothing", "mixed_labels"})
    min_domains = 2
    embeddings: Tensor

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: MTLHParams) -> None:
        super().__init__(backbone, train_info, hparams, inputs=2 * backbone.num_features)
        self.register_buffer("embeddings", torch.zeros(train_info.num_domains, self.num_features))

    def make_classifier(self) -> nn.Module:
        """Return a classifier in whose place comes one that sees embeddings, too, its own."""
        return super().make_classifier()

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean risk given the embeddings, which follow the batch."""
        features = self.features(batch.x)
        present = batch.per_domain(batch.d)[:, 0]
        ema = self.hparams.ema
        means = batch.per_domain(features).mean(1)
        embeddings = ema * means + (1 - ema) * self.embeddings[present]
        self.embeddings[present] = embeddings.detach()
        each = embeddings.repeat_interleave(len(batch) // batch.num_domains, dim=0)
        if self.hparams.reference_noise:
            each = _noise(each, self.generator)
        logits = self.classifier(torch.cat([features, each], 1))
        return self.mixed_risks(logits, batch).mean()

    def predict(self, x: Tensor) -> Tensor:
        """Return the logits (N, C) of images, each with the embedding nearest to it."""
        features = self.features(x)
        if self.hparams.reference_noise:
            each = _noise(features, torch.Generator(features.device).manual_seed(0))
        else:
            absent = self.counts.sum(1) == 0
            distances = torch.cdist(features, self.embeddings).masked_fill(absent, torch.inf)
            each = self.embeddings[distances.argmin(1)]
        logits: Tensor = self.classifier(torch.cat([features, each], 1))
        return logits


def _noise(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, device=like.device)
