"""A moving average of a network, and a queue of what it said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from ltbench.api import Algorithm


class MomentumCopy(nn.Module):
    """A moving average of the trained weights of some parts of a network.

    It holds buffers alone, so that no optimiser finds them and nothing unfreezes them. Weights that
    are frozen are not copied, for they are their own average. Statistics of batch normalisation
    are of its own.

    Args:
        network: whose average it is; it starts at its weights.
        parts: names of the modules that are averaged.
    """

    def __init__(self, network: Algorithm, parts: tuple[str, ...]) -> None:
        super().__init__()
        self.trained = {n for n, p in _parts(network.named_parameters(), parts) if p.requires_grad}
        statistics = _parts(network.persistent_buffers().items(), parts)
        kept = [n for n, _ in statistics] + sorted(self.trained)
        places = {**dict(network.named_parameters()), **dict(network.named_buffers())}
        for name in kept:
            self.register_buffer(name.replace(".", "/"), places[name].detach().clone())

    @torch.no_grad()
    def follow(self, network: nn.Module, momentum: float) -> None:
        """Move to the network's weights, θ̄ ← m·θ̄ + (1 − m)·θ."""
        now = {n: p for n, p in network.named_parameters() if n in self.trained}
        averages = self._named()
        torch._foreach_lerp_([averages[n] for n in now], list(now.values()), 1 - momentum)

    @torch.no_grad()
    def call(self, network: nn.Module, x: Tensor) -> Tensor:
        """Return what the network's ``forward`` says of ``x`` with the average for its weights."""
        found: Tensor = torch.func.functional_call(network, self._named(), (x,))
        return found

    def _named(self) -> dict[str, Tensor]:
        return {name.replace("/", "."): tensor for name, tensor in self.named_buffers()}


class Queue(nn.Module):
    """The last vectors that were put into it, with their classes.

    Args:
        size: most of them.
        width: of a vector.
    """

    vectors: Tensor
    classes: Tensor
    place: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("vectors", torch.zeros(size, width))
        self.register_buffer("classes", torch.full((size,), -1))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))

    def contents(self) -> tuple[Tensor, Tensor]:
        """Return all vectors (size, width) and their classes (size,), −1 where none is yet."""
        return self.vectors, self.classes

    @torch.no_grad()
    def put(self, vectors: Tensor, classes: Tensor) -> None:
        """Put vectors (N, width) of the classes (N,) in the place of the oldest."""
        vectors, classes = vectors[-self.size :], classes[-self.size :]
        if not self.size:
            return
        places = (self.place + torch.arange(len(classes), device=classes.device)) % self.size
        self.vectors.index_copy_(0, places, vectors.to(self.vectors.dtype))
        self.classes.index_copy_(0, places, classes)
        self.place.add_(len(classes)).remainder_(self.size)


def _parts(
    named: Iterable[tuple[str, Tensor]], parts: tuple[str, ...]
) -> Iterator[tuple[str, Tensor]]:
    return ((name, tensor) for name, tensor in named if name.split(".")[0] in parts)
