"""Penalties that set in after some steps."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer

from ltbench.api import Backbone, MakeOptimizer, TrainInfo, Training
from ltbench_domains.composition import WithLoss


class Annealed(WithLoss):
    """A method that changes its objective at one step and starts its optimisers anew there.

    The jump of the gradient's size would otherwise meet Adam's running averages of another
    objective. All is a function of the step's number, so a resumed run switches at the same step.

    Args:
        backbone: gives the features.
        train_info: of the training set.
        hparams: of the method.
        after: the step of the switch.

    Attributes:
        switch: the first step of the new objective; a training that ends before it never switches.
        annealed: whether the present step is at or after it.
    """

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: Any, after: int) -> None:
        super().__init__(backbone, train_info, hparams)
        self.switch = after
        self.annealed = self.switch == 0

    def configure_optimizers(self, make: MakeOptimizer) -> dict[str, Optimizer]:
        """Return the protocol's optimiser, and keep the recipe for the switch."""
        self.make = make
        return super().configure_optimizers(make)

    def before_step(self, step: int, training: Training) -> None:
        """Switch when it is time."""
        super().before_step(step, training)
        self.annealed = step >= self.switch
        if step == self.switch:
            self.optimizers = self.fresh_optimizers()

    def fresh_optimizers(self) -> dict[str, Optimizer]:
        """Return the optimisers for the steps from the switch on."""
        return self.configure_optimizers(self.make)
