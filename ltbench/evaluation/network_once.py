"""Has a network look at an image once, however often its features are asked for.

The test asks a model for logits and for features, and both need the network's answer. Stages that
train a classifier on a frozen network look at the same validation images at every evaluation, and
one that chooses a setting on them has seen them just before. A network's answers are kept with the
weights that gave them, and used again while every one of those weights is the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ltbench.data.sampling import Rows
from ltbench.plugins.algorithm import Algorithm

KEPT_BYTES = 256 << 20
"""Of the answers to one part of the images; larger ones are computed again."""
_PASSES = 2  # kept at a time: of training and of validation images

Answers = dict[tuple[int, int, object], tuple[Tensor, int]]
"""By first image and number of images of a batch, and precision: what came out, and its version."""


@dataclass(eq=False)
class _Pass:
    """A pass over images: which, and what the network made of them with which weights."""

    rows: Rows
    weights: dict[str, Tensor] = field(default_factory=dict)
    answers: Answers = field(default_factory=dict)


class NetworkOnce:
    """What one model's network was asked already."""

    def __init__(self) -> None:
        self._passes: list[_Pass] = []

    def knows(self, rows: Rows) -> bool:
        """Return whether a pass over these images was kept, with whatever weights."""
        return self._kept(rows) is not None

    @contextlib.contextmanager
    def asked(self, model: Algorithm, rows: Rows, *, keep: bool) -> Iterator[Asked]:
        """Have the network answer once for each batch in this block.

        Args:
            model: whose network it is, in evaluation mode.
            rows: the images that it is asked about.
            keep: remember the answers for the next pass over the same images.
        """
        backbone: nn.Module = model.backbone
        before = self._kept(rows)
        if before is not None and not _same(before.weights, backbone):
            self._passes.remove(before)
            before = None
        asked = Asked(backbone, before.answers if before else {}, keep=keep)
        with standing_in(model, asked):
            yield asked
        if asked.keep and before is None:
            self._passes = self._passes[1 - _PASSES :]
            self._passes.append(_Pass(np.array(rows), _weights(backbone), asked.answers))

    def _kept(self, rows: Rows) -> _Pass | None:
        return next((kept for kept in self._passes if np.array_equal(kept.rows, rows)), None)


class Asked(nn.Module):
    """Stands in a model for its network during a pass.

    Where a model puts hooks on its network's modules before it asks, the network is asked anew, or
    they would see nothing. The modules are found by the names that they have in the network.

    Args:
        network: the network.
        answers: what is known.
        keep: keep the answers to all batches, not those to the present one alone.
    """

    def __init__(self, network: nn.Module, answers: Answers, *, keep: bool) -> None:
        super().__init__()
        self._network, self.answers, self.keep = network, answers, keep
        self._given: tuple[Tensor, int, int] | None = None
        self._hooks = hooks_on(network)
        self.training = network.training

    def batch(self, x: Tensor, first: int) -> None:
        """Say which images the model is given next.

        Args:
            x: the batch.
            first: the place of its first image among the rows.
        """
        self.keep = self.keep and self.size() <= KEPT_BYTES
        if not self.keep:
            self.answers = {}
        self._given = x, x._version, first

    def know(self, x: Tensor, answer: Tensor, precision: object) -> None:
        """Say which images the model is given next, and what the network would say of them."""
        self._given = x, x._version, 0
        self.answers = {(0, len(x), precision): (answer, answer._version)}

    def size(self) -> int:
        """Return the bytes of all answers."""
        return sum(answer.nbytes for answer, _ in self.answers.values())

    def forward(self, x: Tensor) -> Tensor:
        """Return the network's answer, computed unless it is known."""
        given = self._given
        other_images = given is None or x is not given[0] or x._version != given[1]
        if given is None or other_images or hooks_on(self._network) > self._hooks:
            answer: Tensor = self._network(x)
            return answer
        kind = x.device.type
        precision = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)
        key = (given[2], len(x), precision)
        known = self.answers.get(key)
        if known is None or known[0]._version != known[1]:  # a model may write into what it gets
            answer = self._network(x)
            self.answers[key] = known = answer, answer._version
        return known[0]

    def get_submodule(self, target: str) -> nn.Module:
        """Return a module of the network."""
        return self._network.get_submodule(target)

    def __getattr__(self, name: str) -> Any:
        """Return what the network has."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("_network"), name)


def hooks_on(network: nn.Module) -> int:
    """Return how many hooks there are by which somebody looks into a network."""
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules())


@contextlib.contextmanager
def standing_in(model: Algorithm, asked: Asked) -> Iterator[None]:
    """Put what answers for a model's network in its place, and the network back at the end."""
    owners = [
        module
        for module in model.modules()
        if isinstance(module, Algorithm) and module._modules.get("backbone") is asked._network
    ]
    for owner in owners:
        owner._modules["backbone"] = asked
    try:
        yield
    finally:
        for owner in owners:
            owner._modules["backbone"] = asked._network


def _weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in _tensors(network)}


def _same(weights: dict[str, Tensor], network: nn.Module) -> bool:
    """Return whether a network has these very weights, buffers included."""
    now = dict(_tensors(network))
    return now.keys() == weights.keys() and all(
        tensor.shape == weights[name].shape
        and tensor.device == weights[name].device
        and torch.equal(tensor, weights[name])
        for name, tensor in now.items()
    )


def _tensors(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from network.named_parameters()
    yield from network.named_buffers()
