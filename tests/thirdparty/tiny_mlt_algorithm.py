"""An algorithm that fails in the way and at the step it is told."""

import os
import signal
import time

from ltbench.api import Algorithm, HParams, hparam


class MisbehaveHParams(HParams):
    how: str = hparam("raise", choices=("raise", "nan", "die", "slow", "hang"))
    at: int = hparam(4, low=0)


class Misbehave(Algorithm):
    """Raises, diverges, kills its process, sleeps a little or for good."""

    HParams = MisbehaveHParams

    def before_step(self, step, training):
        self.now = step
        if self.hparams.how == "slow":
            time.sleep(0.05)
        if step == self.hparams.at and self.hparams.how == "hang":
            time.sleep(3600)
        if step == self.hparams.at and self.hparams.how == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if step == self.hparams.at and self.hparams.how == "raise":
            raise RuntimeError("told to raise")

    def loss(self, batch):
        loss = super().loss(batch)
        diverges = self.hparams.how == "nan" and self.now >= self.hparams.at
        return loss * float("nan") if diverges else loss
