"""Head-to-tail fusion: features of frequent classes in those of balanced batches."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ltbench.api import Algorithm, Batch, Losses, TrainInfo, hparam
from ltbench_stages.classifier import classifier_from
from ltbench_stages.retrained import Retrained, RetrainedHParams


class H2THParams(RetrainedHParams):
    """Hyper-parameters of head-to-tail fusion."""

    share: float = hparam(
        0.25, low=0.0, high=1.0, search=(0.1, 0.5), help="of the features that are replaced"
    )


class H2T(Retrained):
    """H2T (Li et al., "Feature fusion from head to tail for long-tailed visual recognition",
    AAAI 2024, arXiv:2306.06963; the function ``H2T`` of the authors' ``methods.py``).

    The network is frozen and the chosen classifier is trained on with cross-entropy on
    class-balanced batches, whose labels count. Of each image a share of the features, drawn anew at
    each step and the same for the whole batch, is replaced by those of an image of a second,
    uniformly drawn batch, which are mostly of frequent classes: tail classes get their diversity.
    The authors replace whole channels of the last feature map, which are then averaged and enter a
    linear classifier; that is the same as replacing features. ⌊share·F⌋ are replaced. Here both
    images are of one domain. With ``share=0`` it is classifier re-training from the chosen weights.

    On CIFAR-100-LT the authors train the first stage with cross-entropy and mixup, the second 10
    epochs with a cosine from .02 and a share of .25, batch normalisation in training mode; the
    protocols of CIFAR set that.
    """

    HParams = H2THParams
    hparams: H2THParams
    honours = frozenset({"label_smoothing", "mixed_labels"})
    default_base = "input-mixup"
    sampling = "class-balanced"
    second_sampling = "uniform"

    def __init__(self, base: Algorithm, train_info: TrainInfo, hparams: Any) -> None:
        super().__init__(base, train_info, hparams)
        self.classifier = classifier_from(base)

    def loss(self, batch: Batch) -> Losses:
        """Return the mean of the domains' risks on fused features."""
        assert batch.second is not None
        fused = self.fused(self.features(batch.x), self.features(batch.second.x))
        return self.mixed_risks(self.classifier(fused), batch).mean()

    def fused(self, balanced: Tensor, uniform: Tensor) -> Tensor:
        """Return features (N, F) of which some are those of other images.

        Args:
            balanced: of the images whose labels count, (N, F).
            uniform: of the others, (N, F).
        """
        width = balanced.shape[1]
        order = torch.randperm(width, generator=self.generator, device=self.generator.device)
        replaced = order < int(self.hparams.share * width)
        return torch.where(replaced.to(balanced.device), uniform, balanced)
