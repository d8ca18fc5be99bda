"""The blocks of vision transformers of timm, into which adapters are put."""

from __future__ import annotations

from torch import nn


def kinds_of_blocks() -> tuple[type[nn.Module], ...]:
    """Return the classes of blocks: x + attention(norm1(x)), then x + mlp(norm2(x))."""
    from timm.models import beit, eva, vision_transformer

    return vision_transformer.Block, eva.EvaBlock, beit.Block


def transformer_blocks(network: nn.Module) -> list[tuple[nn.Module, str, nn.Module]]:
    """Return the blocks of a network in their order, each with its parent and its name in it."""
    kinds = kinds_of_blocks()
    return [
        (parent, name, child)
        for parent in network.modules()
        for name, child in parent.named_children()
        if type(child) in kinds
    ]
