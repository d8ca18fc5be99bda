"""Learned tokens beside those of the image."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ltbench.models.adaptation.blocks import transformer_blocks
from ltbench.plugins.backbone_options import BackboneOptions

DEEP = "vpt-deep"
_USUAL_PATCH = 16


class PromptedBlock(nn.Module):
    """A frozen block that sees learned tokens before the others.

    Jia et al., "Visual prompt tuning", ECCV 2022, arXiv:2203.12119: at the first block alone
    (VPT-shallow, equation 4), from where they go through all others, or at every block tokens of
    its own, in the place of what the block before made of the last ones (VPT-deep, equation 6).

    The other tokens have their positions from before the first block, so that it is all one where
    learned ones stand; where a block turns queries and keys by their positions, these are counted
    among the tokens that have none.

    Args:
        block: of :func:`ltbench.models.adaptation.blocks.transformer_blocks`.
        tokens: (T, width), or ``None`` where there are those of the first block.
        count: T.
        leaves: whether what becomes of them is left out behind the block.
    """

    def __init__(
        self, block: nn.Module, tokens: Tensor | None, count: int, *, leaves: bool
    ) -> None:
        super().__init__()
        self.block, self.count, self.leaves = block, count, leaves
        self.tokens = nn.Parameter(tokens) if tokens is not None else None
        for module in block.modules():
            if isinstance(before := getattr(module, "num_prefix_tokens", None), int):
                module.num_prefix_tokens = before + count  # type: ignore[assignment]

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return the tokens after the block."""
        if self.tokens is not None:
            # Not len(x), which is a number for good where the network is traced.
            x = torch.cat([self.tokens.to(x.dtype).expand(x.shape[0], -1, -1), x], 1)
        out: Tensor = self.block(x, *args, **kwargs)
        return out[:, self.count :] if self.leaves else out


def add_prompts(network: nn.Module, options: BackboneOptions, classes: int) -> int:
    """Give a frozen network learned tokens; return at how many blocks, none where they do not fit.

    Tokens are drawn uniformly in ±√(6/(3p² + width)) for patches of p pixels, as the authors do.

    Args:
        network: is changed.
        options: ``tokens``, and ``adapt`` for where.
        classes: of the data set; the tokens do not depend on them.
    """
    found = transformer_blocks(network)
    if any(map(_knows_positions, (block for _, _, block in found))):
        return 0
    deep, count, patch = options.adapt == DEEP, options.tokens, _patch(network)
    for number, (parent, name, block) in enumerate(found):
        width = block.norm1.weight.shape[0]  # type: ignore[union-attr, index]
        bound = math.sqrt(6 / (3 * patch**2 + width))
        own = torch.empty(count, width).uniform_(-bound, bound) if deep or not number else None  # type: ignore[arg-type]
        leaves = deep or number + 1 == len(found)
        setattr(parent, name, PromptedBlock(block, own, count, leaves=leaves))
    return len(found)


def _knows_positions(block: nn.Module) -> bool:
    """Return whether a block's attention is for tokens of fixed number and place."""
    named = ("relative_position_bias_table", "rel_pos", "rel_pos_bias")
    fixed = any(getattr(m, name, None) is not None for m in block.modules() for name in named)
    return fixed or type(block).__module__.endswith(".beit")


def _patch(network: nn.Module) -> float:
    """Return the side of a patch in pixels."""
    sizes = (getattr(module, "patch_size", None) for module in network.modules())
    size = next((one for one in sizes if isinstance(one, tuple)), (_USUAL_PATCH,))
    return math.sqrt(math.prod(size)) if len(size) > 1 else float(size[0])
