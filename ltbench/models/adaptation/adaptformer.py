"""Small networks beside the MLP of each block."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ltbench.models.adaptation.blocks import transformer_blocks
from ltbench.plugins.backbone_options import BackboneOptions


class Adapter(nn.Module):
    """a·Up(ReLU(Down(LN(x)))), where Up begins at 0 and the scale a is learned.

    Chen et al., "AdaptFormer: adapting vision transformers for scalable visual recognition",
    NeurIPS 2022, arXiv:2205.13535, equation 2; with the normalisation, the learned scale and its
    beginning at 1 of Shi et al., "Long-tail learning with foundation model: heavy fine-tuning
    hurts" (LIFT), ICML 2024, arXiv:2309.10019, whose code draws Down so. In the former the scale is
    0.1 and is not learned.

    Args:
        width: of tokens.
        bottleneck: between Down and Up.
        scale: what a begins at.
    """

    def __init__(self, width: int, bottleneck: int, scale: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.down, self.up = nn.Linear(width, bottleneck), nn.Linear(bottleneck, width)
        self.scale = nn.Parameter(torch.tensor(float(scale)))
        nn.init.kaiming_normal_(self.down.weight, a=math.sqrt(5))
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

    def forward(self, x: Tensor) -> Tensor:
        """Return what is added to the tokens ``x`` (N, T, width)."""
        added: Tensor = self.up(self.down(self.norm(x)).relu())
        return added * self.scale


class AdaptedBlock(nn.Module):
    """A frozen block with an adapter beside its MLP: x + mlp(norm2(x)) + adapter(x).

    Args:
        block: of :func:`ltbench.models.adaptation.blocks.transformer_blocks`.
        adapter: sees what the block's second normalisation sees.
    """

    def __init__(self, block: nn.Module, adapter: Adapter) -> None:
        super().__init__()
        self.block, self.adapter = block, adapter
        block.norm2 = _Noting(block.norm2)

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return the tokens after the block, (N, T, width)."""
        out: Tensor = self.block(x, *args, **kwargs)
        return out + self.adapter(self.block.norm2.given())  # type: ignore[operator, union-attr]


class _Noting(nn.Module):
    """A normalisation that notes what it was given, until it is asked."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.norm = norm
        self.noted: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.noted = [x]
        normalised: Tensor = self.norm(x)
        return normalised

    def given(self) -> Tensor:
        return self.noted.pop()


def bottleneck_for(classes: int, blocks: int) -> int:
    """Return 2^max(0, ⌊log2(C/2L)⌋) for C classes and L blocks, LIFT's rule for the bottleneck."""
    return 2 ** max(0, math.floor(math.log2(classes / (2 * blocks))))


def add_adapters(network: nn.Module, options: BackboneOptions, classes: int) -> int:
    """Put an adapter beside the MLP of every block of a frozen network; return how many.

    Args:
        network: is changed.
        options: ``bottleneck`` and ``alpha``.
        classes: of the data set.
    """
    found = transformer_blocks(network)
    for parent, name, block in found:
        narrow = options.bottleneck or bottleneck_for(classes, len(found))
        adapter = Adapter(_width(block), narrow, options.alpha)
        setattr(parent, name, AdaptedBlock(block, adapter))
    return len(found)


def _width(block: nn.Module) -> int:
    """Return the width of the tokens of a block: what its MLP reads."""
    return next(m.in_features for m in block.mlp.modules() if isinstance(m, nn.Linear))  # type: ignore[union-attr]
