"""Where in an image a network finds what speaks for a class: Grad-CAM.

Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based
localization", ICCV 2017 (arXiv:1610.02391), equations 1 and 2, at the last layer that still has
places: the last feature map of a convolutional network, and of a transformer the last normalised
tokens that the class depends on, put back on their grid. Of a network with neither, the gradient
times the input (Shrikumar et al., 2016, arXiv:1605.01713).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

GRAD_CAM, GRADIENT = "Grad-CAM", "gradient times input"
_MOST_EXTRA_TOKENS = 16  # of a transformer, before its patches: class, registers
_FEWEST_PLACES = 4


@dataclass(frozen=True)
class Evidence:
    """How much each place of images speaks for a class.

    Attributes:
        maps: (N, h, w) in 0…1, each image's largest 1; all 0 where nothing speaks for it.
        method: :data:`GRAD_CAM` or :data:`GRADIENT`.
    """

    maps: Tensor
    method: str


@dataclass(frozen=True)
class _Layer:
    """A layer with places.

    Attributes:
        module: whose output has them.
        on_grid: makes (N, C, h, w) of it.
    """

    module: nn.Module
    on_grid: Callable[[Tensor], Tensor]


def class_evidence(
    network: nn.Module, logits: Callable[[Tensor], Tensor], x: Tensor, classes: Tensor
) -> Evidence:
    """Return where in images a network finds what speaks for classes.

    Args:
        network: whose layers are looked at, in evaluation mode.
        logits: makes logits (N, C) of images by that network.
        x: images as the network takes them, (N, channels, H, W).
        classes: of each image the class that is asked about, (N,).
    """
    with torch.enable_grad():
        for layer in _layers(network, logits, x):
            values, gradients = _values_and_gradients(layer, logits, x, classes)
            if not gradients.any():  # of tokens behind the last that the class depends on
                continue
            weights = gradients.mean((2, 3), keepdim=True)
            return Evidence(_scaled((weights * values).sum(1).relu()), GRAD_CAM)
        inputs = x.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(_score(logits(inputs), classes), inputs)
    return Evidence(_scaled((gradient * inputs.detach()).abs().sum(1)), GRADIENT)


def _score(logits: Tensor, classes: Tensor) -> Tensor:
    return logits.gather(1, classes[:, None]).sum()


def _scaled(maps: Tensor) -> Tensor:
    """Return maps divided by their largest value."""
    maps = maps.detach().float()
    largest = maps.amax((1, 2), keepdim=True)
    return torch.where(largest > 0, maps / largest.clamp_min(1e-30), 0.0).nan_to_num()


def _values_and_gradients(
    layer: _Layer, logits: Callable[[Tensor], Tensor], x: Tensor, classes: Tensor
) -> tuple[Tensor, Tensor]:
    """Return what a layer gives, and the gradient of the classes' logits by it, on its grid."""
    seen: list[Tensor] = []
    hook = layer.module.register_forward_hook(lambda _module, _input, output: seen.append(output))
    try:
        score = _score(logits(x.detach().clone().requires_grad_()), classes)
    finally:
        hook.remove()
    (gradient,) = torch.autograd.grad(score, seen[-1], allow_unused=True)
    if gradient is None:
        gradient = torch.zeros_like(seen[-1])
    return layer.on_grid(seen[-1].detach()), layer.on_grid(gradient)


def _layers(network: nn.Module, logits: Callable[[Tensor], Tensor], x: Tensor) -> Iterator[_Layer]:
    """Yield the layers with places, the last first; those of tokens where there are some."""
    shapes: dict[nn.Module, tuple[int, ...]] = {}

    def note(module: nn.Module, _input: object, output: object) -> None:
        shapes.pop(module, None)  # its last call counts
        if isinstance(output, Tensor):
            shapes[module] = tuple(output.shape)

    hooks = [module.register_forward_hook(note) for module in network.modules()]
    try:
        # Two images, so that what has other rows than images is told from what has one each.
        pair = x[:1].detach().expand(2, *x.shape[1:])
        with torch.no_grad():
            logits(pair)
    finally:
        for hook in hooks:
            hook.remove()
    ordered = list(reversed(shapes.items()))
    tokens = [
        _Layer(module, _from_tokens(extra))
        for module, shape in ordered
        if (extra := _extra_tokens(module, shape)) is not None
    ]
    if len(tokens) > 1:
        yield from tokens
        return
    for module, shape in ordered:
        if len(shape) == 4 and shape[0] == 2:
            last = shape[1] == shape[2] != shape[3]
            height, width = shape[1:3] if last else shape[2:]
            if height * width >= _FEWEST_PLACES:
                yield _Layer(module, _channels_first if last else _as_is)


def _extra_tokens(module: nn.Module, shape: tuple[int, ...]) -> int | None:
    """Return how many tokens stand before those of a square grid; ``None`` where there is none."""
    if len(shape) != 3 or shape[0] != 2 or "norm" not in type(module).__name__.lower():
        return None
    for extra in range(min(_MOST_EXTRA_TOKENS, shape[1] - _FEWEST_PLACES) + 1):
        if math.isqrt(shape[1] - extra) ** 2 == shape[1] - extra:
            return extra
    return None


def _from_tokens(extra: int) -> Callable[[Tensor], Tensor]:
    def on_grid(tokens: Tensor) -> Tensor:
        patches = tokens[:, extra:]
        side = math.isqrt(patches.shape[1])
        return patches.transpose(1, 2).reshape(len(patches), -1, side, side)

    return on_grid


def _channels_first(output: Tensor) -> Tensor:
    return output.permute(0, 3, 1, 2)


def _as_is(output: Tensor) -> Tensor:
    return output
