"""What stages without optimisation steps have in common."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer

from ltbench.api import MakeOptimizer, Stage


class UntrainedStage(Stage):
    """A stage that changes the chosen model without any optimisation step.

    What is computed from data is computed in :meth:`before_step`, which is called once.
    """

    default_base = "erm"

    @classmethod
    def steps(cls, steps: int, hparams: Any) -> int:
        """Return 0."""
        return 0

    def configure_optimizers(self, make: MakeOptimizer) -> dict[str, Optimizer]:
        """Return no optimiser."""
        return {}
