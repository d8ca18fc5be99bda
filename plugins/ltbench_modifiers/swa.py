"""Stochastic weight averaging."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ltbench.api import Algorithm, HParams, Modifier, hparam
from ltbench_modifiers.averages import Average


class SWAHParams(HParams):
    """Hyper-parameters of SWA."""

    start: float = hparam(
        0.75, low=0.0, high=1.0, search=(0.5, 0.9), help="share of the steps before the average"
    )
    cycle: int = hparam(
        0,
        low=0,
        help="steps from one model of the average to the next; 0 is an epoch, at most a "
        "tenth of the steps that are left",
    )
    schedule: str = hparam(
        "constant",
        choices=("constant", "cyclical", "protocol"),
        help="learning rate from the start on; cyclical falls to low in every cycle",
    )
    lr: float = hparam(0.5, low=0.0, help="factor on the protocol's learning rate from there on")
    low: float = hparam(0.005, low=0.0, help="factor at the end of a cycle, where it is cyclical")


class SWA(Modifier):
    """SWA (Izmailov et al., UAI 2018, algorithm 1, arXiv:1803.05407).

    After a share of the steps the weights there, and those at the end of every cycle of c steps
    after them, are averaged, each with the same weight. Meanwhile the learning rate is constant, or
    falls within each cycle: (1 - t)·lr + t·low at the i-th step, t = (mod(i - 1, c) + 1)/c. The
    paper averages once an epoch with a constant rate of about half the initial one, as is done
    here, or with ``low`` a hundredth of ``lr``. Before the start the weights in training are
    evaluated; once there is an average, an average is chosen.
    """

    HParams = SWAHParams
    hparams: SWAHParams

    def __init__(self, model: Algorithm, hparams: SWAHParams) -> None:
        super().__init__(model, hparams)
        steps = model.train_info.steps
        self.start = min(round(self.hparams.start * steps), max(0, steps - 1))
        usual = min(model.train_info.steps_per_epoch, (steps - self.start) // 10)
        self.cycle = self.hparams.cycle or max(1, usual)
        self.average = Average(self.trained())
        if self.start == 0:
            self.average.add(self.trained())

    def after_step(self, step: int) -> None:
        """Take the weights in at the start and at the end of a cycle."""
        if step >= self.start and (step - self.start) % self.cycle == 0:
            self.average.add(self.trained())

    def rate(self, step: int, factor: float) -> float:
        """Return the rate of the schedule, from the start on."""
        chosen = self.hparams.schedule
        if step < self.start or chosen == "protocol":
            return factor
        if chosen == "constant":
            return self.hparams.lr
        share = ((step - self.start) % self.cycle + 1) / self.cycle
        return (1 - share) * self.hparams.lr + share * self.hparams.low

    def weights(self) -> Mapping[str, Tensor] | None:
        """Return the average, once there is one."""
        return self.average.values if self.average.count else None

    def state_dict(self) -> dict[str, Any]:
        """Return the average."""
        return self.average.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the average of a checkpoint."""
        self.average.load_state_dict(state)
