"""Lookahead: slow weights that follow fast ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ltbench.api import Algorithm, HParams, Modifier, hparam
from ltbench_modifiers.averages import copies, move, restore


class LookaheadHParams(HParams):
    """Hyper-parameters of lookahead."""

    k: int = hparam(5, low=1, search=(5, 20), help="steps of the fast weights to one of the slow")
    alpha: float = hparam(
        0.5, low=0.0, high=1.0, search=(0.2, 0.8), help="step of the slow weights"
    )


class Lookahead(Modifier):
    """Lookahead (Zhang et al., NeurIPS 2019, algorithm 1, arXiv:1907.08610).

    After every k steps of the protocol's optimiser the slow weights move a share α of the way to
    the fast ones, which go on from there; the optimiser's state stays. The slow weights are
    evaluated, as in the paper.
    """

    HParams = LookaheadHParams
    hparams: LookaheadHParams

    def __init__(self, model: Algorithm, hparams: LookaheadHParams) -> None:
        super().__init__(model, hparams)
        self.slow = copies(self.trained())

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Move the slow weights, and put the fast ones there."""
        if step % self.hparams.k == 0:
            fast = self.trained()
            move(self.slow, fast, self.hparams.alpha)
            restore(fast, self.slow)

    def weights(self) -> Mapping[str, Tensor]:
        """Return the slow weights."""
        return self.slow

    def state_dict(self) -> dict[str, Any]:
        """Return the slow weights."""
        return {"slow": self.slow}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the slow weights of a checkpoint."""
        restore(self.slow, state["slow"])
