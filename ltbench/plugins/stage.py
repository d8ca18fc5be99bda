"""The contract of a stage plugin: training that goes on from a chosen model."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.batch import TrainInfo


class Stage(Algorithm):
    """An algorithm on top of the model that the stage before it chose, with the same seed.

    The stage gets a fresh classifier on the features of ``base``. By default ``base`` is frozen:
    its parameters get no gradient and it stays in evaluation mode.

    Attributes:
        base: the model of the stage before, holding the weights that were chosen.
        frozen: whether ``base`` is kept as it is.
        default_base: the algorithm that the stage's name alone stands on.
    """

    frozen: ClassVar[bool] = True
    default_base: ClassVar[str | None] = None

    def __init__(self, base: Algorithm, train_info: TrainInfo, hparams: Any) -> None:
        super().__init__(base.backbone, train_info, hparams)
        self.base = base
        self.precision = base.precision
        self.base.requires_grad_(not self.frozen)

    @classmethod
    def steps(cls, steps: int, hparams: Any) -> int:
        """Return how many steps this stage trains when the stage before trained ``steps``."""
        return steps

    def features(self, x: Tensor) -> Tensor:
        """Return the features (N, F) of ``base``."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self.base.features(x)

    def train(self, mode: bool = True) -> Self:
        """Set training mode, in which a frozen ``base`` stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.base.eval()
        return self
