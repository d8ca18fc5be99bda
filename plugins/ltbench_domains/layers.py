"""Layers of any network, and what comes out of them in a forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ltbench.api import has_weights

BLOCKS = 4
"""Blocks of a network at most, as the stages of a ResNet; a stem before them is one more."""


@dataclass(frozen=True)
class Layer:
    """A layer of a network.

    Attributes:
        name: of the module, as ``named_modules`` has it.
        shape: one number a channel, such that it broadcasts with what comes out, (N, …).
    """

    name: str
    shape: tuple[int, ...]


def regular_layers(network: nn.Module, image_shape: tuple[int, int, int]) -> list[Layer]:
    """Return layers at regular distances through a network.

    They are the ends of its blocks where it is of timm, which names them with their channels, and
    otherwise of its named children; where it has neither, the network itself is the one layer. The
    network sees an image of zeros.

    Args:
        network: in evaluation mode.
        image_shape: channels, height and width of an image.
    """
    named = _of_timm(network) or dict.fromkeys(_children(network), 0)
    names = [name for name in named if name] or [""]
    candidates = [Layer(name, ()) for name in names]
    parameter = next(iter(network.parameters()), torch.empty(0))
    zeros = parameter.new_zeros(1, *image_shape)
    with torch.no_grad(), outputs_of(network, candidates, required=False) as found:
        network(zeros)
    shapes = {
        layer.name: _one_a_channel(out.shape, named.get(layer.name, 0))
        for layer, out in zip(candidates, found, strict=True)
        if out.dim() > 1 and out.is_floating_point()
    }
    if not shapes:
        return [Layer("", (1, int(getattr(network, "num_features", 1))))]
    return [Layer(name, shapes[name]) for name in _spaced(list(shapes))]


@contextmanager
def outputs_of(
    network: nn.Module, layers: Sequence[Layer], *, required: bool = True
) -> Iterator[list[Tensor]]:
    """Collect what comes out of layers in the forward pass within this block.

    Args:
        network: whose layers.
        layers: which.
        required: raise where one of them is not passed through; otherwise it gives no number.

    Yields:
        A list that holds one tensor for each layer after the block.

    Raises:
        RuntimeError: a layer was not passed through.
    """
    found: dict[str, Tensor] = {}
    collected: list[Tensor] = []
    handles = []
    for layer in layers:

        def keep(_: nn.Module, __: object, out: object, name: str = layer.name) -> None:
            if isinstance(out, Tensor):
                found[name] = out

        handles.append(network.get_submodule(layer.name).register_forward_hook(keep))
    try:
        yield collected
    finally:
        for handle in handles:
            handle.remove()
    missing = [layer.name for layer in layers if layer.name not in found]
    if missing and required:
        raise RuntimeError(f"the network did not pass through its layer '{missing[0]}'")
    collected += [found.get(layer.name, torch.empty(0)) for layer in layers]


def _of_timm(network: nn.Module) -> dict[str, int]:
    """Return the blocks that timm names in a network, with their channels."""
    for prefix, module in network.named_modules():
        described = getattr(module, "feature_info", None)
        if not isinstance(described, list):
            continue
        try:
            blocks = {str(one["module"]): int(one["num_chs"]) for one in described}
        except (KeyError, TypeError, ValueError):
            continue
        there = {name for name, _ in module.named_modules()}
        dot = f"{prefix}." if prefix else ""
        return {f"{dot}{name}": channels for name, channels in blocks.items() if name in there}
    return {}


def _children(network: nn.Module) -> list[str]:
    """Return the names of the children that have weights, below what holds all of them."""
    names: list[str] = []
    prefix, module = "", network
    while True:
        children = [
            (f"{prefix}{name}", child)
            for name, child in module.named_children()
            if has_weights(child)
        ]
        if len(children) != 1:
            return [name for name, _ in children] or names
        names = [children[0][0]]
        prefix, module = f"{children[0][0]}.", children[0][1]


def _spaced(names: list[str]) -> list[str]:
    """Return the ends of :data:`BLOCKS` equal parts, and a stem where one stands before them."""
    if len(names) <= BLOCKS + 1:
        return names
    return [names[(k + 1) * len(names) // BLOCKS - 1] for k in range(BLOCKS)]


def _one_a_channel(shape: torch.Size, channels: int) -> tuple[int, ...]:
    """Return the shape of one number a channel for an output (1, …).

    The channels of maps, (N, C, H, W), stand second unless timm says that they stand last; those of
    tokens, (N, T, C), last.
    """
    last = len(shape) == 3 or (channels not in (0, shape[1]) and shape[-1] == channels)
    place = len(shape) - 1 if last else 1
    return tuple(size if axis == place else 1 for axis, size in enumerate(shape))
