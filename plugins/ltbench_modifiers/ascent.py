"""A second look at a loss, from weights a small way up its gradient."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from ltbench.api import Algorithm

_LEAST = 1e-12  # added to a norm, that of no gradient among them


def main_parameters(model: Algorithm) -> list[nn.Parameter]:
    """Return what the step moves."""
    groups = model.optimizers["main"].param_groups
    return [p for group in groups for p in group["params"] if p.requires_grad]


def gradients(model: Algorithm, loss: Tensor, *, again: bool = False) -> list[Tensor | None]:
    """Return the gradient of a loss for each of :func:`main_parameters`, ``None`` without one.

    Args:
        model: whose loss it is.
        loss: a scalar.
        again: whether another gradient is to be had of what it was computed from.
    """
    with model.stopwatch.part("backward"):
        found = torch.autograd.grad(
            model.to_differentiate(loss),
            main_parameters(model),
            allow_unused=True,
            retain_graph=again,
        )
    return list(found)


def gather(model: Algorithm, loss: Tensor, *, first: bool) -> None:
    """Add the gradient of a loss to what the step goes down.

    Args:
        model: whose loss it is.
        loss: a scalar.
        first: whether the batch has added nothing yet.
    """
    if first and model.micro_batch == 0:
        model.optimizers["main"].zero_grad(set_to_none=True)
    with model.stopwatch.part("backward"):
        model.to_differentiate(loss).backward()  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def ascended(model: Algorithm, found: Sequence[Tensor | None], rho: float) -> Iterator[None]:
    """Have the weights moved by ρ·g/‖g‖ in this block, the norm over all of them together.

    Afterwards they are what they were, bit for bit.

    Args:
        model: whose weights.
        found: the gradient for each of :func:`main_parameters`.
        rho: how far.
    """
    pairs = zip(main_parameters(model), found, strict=True)
    moved = [(parameter, gradient) for parameter, gradient in pairs if gradient is not None]
    places: list[Tensor] = [parameter for parameter, _ in moved]
    directions = [gradient for _, gradient in moved]
    before = [place.detach().clone() for place in places]
    with torch.no_grad():
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(directions)))
        torch._foreach_add_(places, list(torch._foreach_mul(directions, rho / (norm + _LEAST))))
    try:
        yield
    finally:
        with torch.no_grad():
            torch._foreach_copy_(places, before)


class Draws:
    """What the loss of a batch depends on beside weights: random draws, and buffers that change.

    Made before the first look, so that the second one is at the same loss: it drops the same
    units, mixes the same images, and counts the same steps.

    Args:
        model: whose loss it is.
    """

    def __init__(self, model: Algorithm) -> None:
        self.model = model
        self.buffers = _buffers(model)
        self.own = model.generator.get_state()
        self.torch = torch.get_rng_state()
        self.device = model.counts.device
        self.cuda: Tensor | None = None
        if self.device.type == "cuda" and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            self.cuda = torch.cuda.get_rng_state(self.device)

    @contextlib.contextmanager
    def again(self) -> Iterator[None]:
        """Have all of that as it was; what the first look made of the buffers stands afterwards.

        So statistics of batch normalisation are those of the first look alone.
        """
        after = _buffers(self.model)
        self._set(self.buffers)
        self.model.generator.set_state(self.own)
        torch.set_rng_state(self.torch)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda, self.device)
        try:
            yield
        finally:
            self._set(after)

    @torch.no_grad()
    def _set(self, buffers: list[Tensor]) -> None:
        if buffers:
            torch._foreach_copy_(list(self.model.persistent_buffers().values()), buffers)


def _buffers(model: Algorithm) -> list[Tensor]:
    return [buffer.clone() for buffer in model.persistent_buffers().values()]
