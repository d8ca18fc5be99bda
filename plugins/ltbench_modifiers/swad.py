"""Stochastic weight averaging densely."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ltbench.api import Algorithm, HParams, Modifier, hparam
from ltbench_modifiers.averages import Average


class SWADHParams(HParams):
    """Hyper-parameters of SWAD."""

    converge: int = hparam(
        3, low=1, help="evaluations in which the oldest must have the least loss"
    )
    patience: int = hparam(6, low=1, help="evaluations in a row above the bound that end it")
    tolerance: float = hparam(
        1.3, low=1.0, search=(1.1, 1.5), help="bound on the loss over its mean where it converged"
    )


class SWAD(Modifier):
    """SWAD (Cha et al., NeurIPS 2021, section 3.2 and algorithm 1, arXiv:2102.08604).

    The weights of all steps in a valley of the validation loss are averaged. The valley begins at
    the first evaluation whose loss is the least of it and the ``converge - 1`` after it. Its bound
    is ``tolerance`` times the mean of these losses, and it is over once ``patience`` evaluations in
    a row lie above; the average goes up to the last one below, and the training ends. As in the
    authors' code (khanrc/swad, 3, 6 and 1.3) the valley takes in the steps since the evaluation
    before its first, and where the training is over first it ends at its last evaluation below the
    bound. What that code does beside, to add parts of the steps before the valley and some a second
    time, the paper does not have and is not done. Where no valley was found the model is one of
    those in training.
    """

    HParams = SWADHParams
    hparams: SWADHParams
    needs_validation = True

    def __init__(self, model: Algorithm, hparams: SWADHParams) -> None:
        super().__init__(model, hparams)
        self.segment = self._empty()
        self.recent: list[tuple[float, Average]] = []
        self.valley, self.beyond = self._empty(), self._empty()
        self.bound, self.above = 0.0, 0

    @property
    def converged(self) -> bool:
        """Whether the valley has begun."""
        return self.valley.count > 0

    @property
    def finished(self) -> bool:
        """Whether the valley is over."""
        return self.above >= self.hparams.patience

    def after_step(self, step: int) -> None:
        """Take the weights in since the last evaluation."""
        self.segment.add(self.trained())

    def after_evaluation(self, step: int, loss: float) -> None:
        """Look whether the valley begins, goes on or is over."""
        if self.finished:
            return
        segment, self.segment = self.segment, self._empty()
        if self.converged:
            self._go_on(loss, segment)
            return
        self.recent = [*self.recent, (loss, segment)][-self.hparams.converge :]
        losses = [loss for loss, _ in self.recent]
        if len(losses) == self.hparams.converge and losses[0] == min(losses):
            self.bound = self.hparams.tolerance * sum(losses) / len(losses)
            for one in self.recent:
                self._go_on(*one)
            self.recent = []

    def _go_on(self, loss: float, segment: Average) -> None:
        """Take in the steps up to an evaluation, for good where it is below the bound."""
        self.beyond.join(segment)
        self.above += 1
        if loss <= self.bound:
            self.valley.join(self.beyond)
            self.beyond, self.above = self._empty(), 0

    def weights(self) -> Mapping[str, Tensor] | None:
        """Return the average over the valley, once there is one."""
        return self.valley.values if self.converged else None

    def state_dict(self) -> dict[str, Any]:
        """Return the averages and what is known of the losses."""
        return {
            "segment": self.segment.state_dict(),
            "recent": [[loss, average.state_dict()] for loss, average in self.recent],
            "valley": self.valley.state_dict(),
            "beyond": self.beyond.state_dict(),
            "bound": self.bound,
            "above": self.above,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the averages of a checkpoint."""
        for name in ("segment", "valley", "beyond"):
            getattr(self, name).load_state_dict(state[name])
        self.recent = [(float(loss), self._empty()) for loss, _ in state["recent"]]
        for (_, average), (_, saved) in zip(self.recent, state["recent"], strict=True):
            average.load_state_dict(saved)
        self.bound, self.above = float(state["bound"]), int(state["above"])

    def _empty(self) -> Average:
        return Average(self.trained())
