"""The scale of a loss whose gradients float16 can hold."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class LossScale:
    """Scales losses before their gradients are computed, and leaves out steps that overflow.

    Gradients of a network in float16 become zero below 6e-8 and infinite above 65504. The loss is
    multiplied by a scale (:class:`torch.amp.GradScaler`) that halves when a step's gradients
    overflow, which is then not taken, and doubles after 2000 steps that were. With optimisers whose
    kernels are fused, the host does not wait for the device to know.

    Args:
        device: of the losses.
    """

    def __init__(self, device: torch.device) -> None:
        self._scaler = torch.amp.GradScaler(device.type)
        self._one = torch.ones((), device=device)
        self._overflowed = torch.zeros((), device=device)
        self.steps = 0

    @property
    def value(self) -> float:
        """The scale of the next loss; the host waits for it."""
        return float(self._scaler.get_scale())

    @property
    def overflowed(self) -> int:
        """How many of the ``steps`` since :meth:`restart` were not taken; the host waits for it."""
        return int(self._overflowed)

    def restart(self) -> None:
        """Count steps anew."""
        self.steps = 0
        self._overflowed.zero_()

    def scaled(self, loss: Tensor) -> Tensor:
        """Return the loss of which gradients are to be computed."""
        return self._scaler.scale(loss)

    def step(self, optimizer: Optimizer) -> None:
        """Take a step down the gradients of scaled losses, unless one of them overflowed."""
        parameters = (p for group in optimizer.param_groups for p in group["params"])
        if all(parameter.grad is None for parameter in parameters):
            optimizer.step()  # there is nothing to scale, nor to overflow
            return
        # Before the step, in which the gradients may be clipped.
        self._scaler.unscale_(optimizer)
        before = self._scaler.scale(self._one)
        self._scaler.step(optimizer)
        self._scaler.update()
        self._overflowed += self._scaler.scale(self._one) < before
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the state, for a checkpoint; the host waits for it."""
        counts = {"steps": self.steps, "overflowed": self.overflowed}
        return {"scaler": self._scaler.state_dict(), **counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state that :meth:`state_dict` returned."""
        self._scaler.load_state_dict(state["scaler"])
        self.steps = state["steps"]
        self._overflowed.fill_(state["overflowed"])
