"""Exponential moving average of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ltbench.api import Algorithm, HParams, Modifier, hparam
from ltbench_modifiers.averages import copies, move, restore


class EMAHParams(HParams):
    """Hyper-parameters of the moving average."""

    decay: float = hparam(
        0.999, low=0.0, high=1.0, search=(0.9, 0.999), help="of the average at every step"
    )


class EMA(Modifier):
    """Exponential moving average (Polyak and Juditsky, SIAM J. Control Optim. 30, 1992).

    The average starts at the first weights. After step t (from 1) it moves to those in training, θ:
    a ← d·a + (1 - d)·θ with d = min(decay, (1 + t)/(10 + t)), as the moving averages of TensorFlow
    do. With ``decay=0`` it is the weights themselves.
    """

    HParams = EMAHParams
    hparams: EMAHParams

    def __init__(self, model: Algorithm, hparams: EMAHParams) -> None:
        super().__init__(model, hparams)
        self.average = copies(self.trained())

    def after_step(self, step: int) -> None:
        """Move the average towards the weights."""
        decay = min(self.hparams.decay, (1 + step) / (10 + step))
        move(self.average, self.trained(), 1 - decay)

    def weights(self) -> Mapping[str, Tensor]:
        """Return the average."""
        return self.average

    def state_dict(self) -> dict[str, Any]:
        """Return the average."""
        return {"average": self.average}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the average of a checkpoint."""
        restore(self.average, state["average"])
