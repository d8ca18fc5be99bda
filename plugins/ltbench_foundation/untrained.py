"""What algorithms have in common that leave the network as it is."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer

from ltbench.api import Algorithm, Backbone, MakeOptimizer, TrainInfo


class UntrainedAlgorithm(Algorithm):
    """An algorithm without optimisation steps, on a frozen network.

    What it computes from data it computes in ``before_step``, which is called once.
    """

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: Any) -> None:
        super().__init__(backbone, train_info, hparams)
        self.requires_grad_(False)

    @classmethod
    def steps(cls, steps: int, hparams: Any) -> int:
        """Return 0."""
        return 0

    def configure_optimizers(self, make: MakeOptimizer) -> dict[str, Optimizer]:
        """Return no optimiser."""
        return {}
