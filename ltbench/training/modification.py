"""The modifiers of one stage of a run: when each is asked, and whose weights are evaluated."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.modifier import Modifier, TakeStep, gives_weights, steps_itself
from ltbench.plugins.predictions import Predictions
from ltbench.plugins.resolve import MODIFIERS, resolve_written
from ltbench.results.component import Component


class Modification:
    """What the modifiers of an algorithm or stage do together; nothing where there are none.

    Args:
        part: the algorithm or stage of the run's specification.
        model: on its device, with its optimisers.
        states: of the modifiers, where they go on; empty where they begin.
    """

    def __init__(
        self, part: Component, model: Algorithm, states: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self.model = model
        self.modifiers: list[Modifier] = []
        for one in part.modifiers:
            cls, hparams = resolve_written(MODIFIERS, one.name, one.hparams)
            self.modifiers.append(cls(model, hparams))
        for modifier, state in zip(self.modifiers, states, strict=False):
            modifier.load_state_dict(state)
        self.step: TakeStep = model.step
        for modifier in self.modifiers:
            if steps_itself(type(modifier)):
                self.step = partial(modifier.step, take=model.step)

    def after_step(self, step: int) -> None:
        """Have the modifiers look at the weights after a step (from 1)."""
        for modifier in self.modifiers:
            modifier.after_step(step)

    @property
    def watches(self) -> bool:
        """Whether a modifier wants to know validation losses."""
        return any(
            type(one).after_evaluation is not Modifier.after_evaluation for one in self.modifiers
        )

    def after_evaluation(self, step: int, found: Predictions) -> None:
        """Tell the modifiers the validation loss of the weights in training."""
        for modifier in self.modifiers:
            modifier.after_evaluation(step, domain_mean_loss(found))

    def rate(self, step: int, factor: float) -> float:
        """Return the factor on the learning rate at a step, given the schedule's."""
        for modifier in self.modifiers:
            factor = modifier.rate(step, factor)
        return factor

    @property
    def finished(self) -> bool:
        """Whether further steps would change nothing of what is evaluated."""
        return any(modifier.finished for modifier in self.modifiers)

    def state(self) -> list[dict[str, Any]]:
        """Return the modifiers' states, for a checkpoint."""
        return [modifier.state_dict() for modifier in self.modifiers]

    @contextlib.contextmanager
    def standing(self, adapt: Callable[[], None]) -> Iterator[bool]:
        """Have the weights that a modifier gives stand in the model in this block.

        Afterwards the model is again what it was, bit for bit.

        Args:
            adapt: is called once they stand there.

        Returns:
            Whether there are any.
        """
        weights = self._weights()
        if weights is None:
            yield False
            return
        places: dict[str, Tensor] = dict(self.model.named_parameters())
        if all(torch.equal(places[name], value) for name, value in weights.items()):
            yield True  # those in training, to which everything else belongs already
            return
        before = [(t, t.detach().clone()) for t in (places[name] for name in weights)]
        before += [(b, b.clone()) for b in self.model.persistent_buffers().values()]
        try:
            with torch.no_grad():
                for name, value in weights.items():
                    places[name].copy_(value)
            adapt()
            yield True
        finally:
            with torch.no_grad():
                for place, value in before:
                    place.copy_(value)

    def _weights(self) -> Mapping[str, Tensor] | None:
        givers = (one for one in self.modifiers if gives_weights(type(one)))
        return next((found for one in givers if (found := one.weights()) is not None), None)


def domain_mean_loss(found: Predictions) -> float:
    """Return the mean over domains of the mean cross-entropy."""
    return float(np.mean([np.mean(part.nll) for part in found.by_domain().values()]))
