"""Learnable weight scaling."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ltbench.api import Algorithm, TrainInfo
from ltbench_stages.retrained import Retrained, RetrainedHParams


class LWS(Retrained):
    """Learnable weight scaling (Kang et al., ICLR 2020, arXiv:1910.09217, section 4).

    Logits s_c·z_c, where z are the logits of the model chosen before, which is frozen, and the
    scale s of each class is learned from 1 by cross-entropy on class-balanced batches, for as many
    steps as the stage before. The authors train 10 epochs (5 in their code's configuration), with
    batch normalisation in training mode; long-tail protocols set both (``steps``, ``shift_bn``).
    """

    HParams = RetrainedHParams
    hparams: RetrainedHParams

    default_base = "erm"
    sampling = "class-balanced"

    def __init__(self, base: Algorithm, train_info: TrainInfo, hparams: Any) -> None:
        super().__init__(base, train_info, hparams)
        self.classifier = nn.Identity()  # the base's own is scaled
        self.scales = nn.Parameter(torch.ones(train_info.num_classes))

    def predict(self, x: Tensor) -> Tensor:
        """Return the scaled logits (N, C) of images."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            logits = self.base.predict(x)
        return self.scales * logits
