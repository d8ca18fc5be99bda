"""What stages have in common that train on top of a frozen network."""

from __future__ import annotations

from typing import Self

from torch import nn

from ltbench.api import Stage, StageHParams, hparam

SHIFT_BN = "let the frozen network's batch normalisation go by the batches and adapt"


class RetrainedHParams(StageHParams):
    """Hyper-parameters of stages that train on top of a frozen network."""

    shift_bn: bool = hparam(False, later=True, help=SHIFT_BN)


class Retrained(Stage):
    """A stage on a frozen network whose batch normalisation may follow the new batches.

    The weights stay as they are. With ``shift_bn`` the frozen network normalises by the batch in
    training and goes on to average its running statistics, as it does in code that sets the whole
    network to training mode; where a protocol freezes the statistics, they stay.
    """

    def train(self, mode: bool = True) -> Self:
        """Set training mode; of the frozen model at most batch normalisation follows."""
        super().train(mode)
        for module in self.base.modules():
            if self.hparams.shift_bn and isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.train(mode)
        return self
