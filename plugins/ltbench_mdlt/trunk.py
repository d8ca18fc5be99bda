"""Finds the middle of any backbone."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ltbench.api import Backbone, UsageError, has_weights


def middle_of(backbone: Backbone, image_shape: tuple[int, int, int]) -> tuple[str, torch.Size]:
    """Return the name of the backbone's middle block and the shape of its output for one image.

    The blocks are the parts of the backbone that follow one another, as far as nested sequences
    can be opened, have weights and put out maps (channels, H, W) or tokens (T, channels). The
    middle one of k is number ⌊(k − 1) / 2⌋, from 0; that is the end of ``layer2`` in a ResNet-50,
    where the paper splits the network.

    Args:
        backbone: on the CPU.
        image_shape: channels, height and width of an image.

    Raises:
        UsageError: no block puts out maps or tokens of more than one position.
    """
    shapes: dict[str, torch.Size] = {}

    def note(name: str, output: object) -> None:
        if isinstance(output, Tensor) and output.dim() in (3, 4) and _positions(output) > 1:
            shapes[name] = output.shape[1:]

    hooks = [
        module.register_forward_hook(lambda _m, _i, output, name=name: note(name, output))
        for name, module in _blocks(backbone)
        if has_weights(module)
    ]
    was_training = backbone.training
    backbone.eval()
    with torch.no_grad():
        backbone(torch.zeros(1, *image_shape))
    backbone.train(was_training)
    for hook in hooks:
        hook.remove()
    if not shapes:
        raise UsageError(
            "the backbone has no maps or tokens in its middle to split into style and content: "
            "choose another backbone"
        )
    name = list(shapes)[(len(shapes) - 1) // 2]
    return name, shapes[name]


def _blocks(
    module: nn.Module, path: str = "", outer: bool = True
) -> Iterator[tuple[str, nn.Module]]:
    """Open sequences, the backbone, and what merely wraps one model; the rest are blocks."""
    children = list(module.named_children())
    if not children or not (outer or isinstance(module, nn.Sequential)):
        yield path, module
        return
    for name, child in children:
        inner = f"{path}.{name}" if path else name
        yield from _blocks(child, inner, outer and len(children) == 1)


def _positions(output: Tensor) -> int:
    return output.shape[2] * output.shape[3] if output.dim() == 4 else output.shape[1]
