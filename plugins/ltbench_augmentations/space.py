"""How strong an operation is at each of the steps that a policy counts its magnitude in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ltbench_augmentations.operations import OPERATIONS

_SHIFTS = ("translate-x", "translate-y")
_WHOLE = (*_SHIFTS, "posterize")  # pixels and bits


class Range(NamedTuple):
    """The magnitudes of an operation.

    Attributes:
        weakest, strongest: at the first step and at the last.
        signed: whether every other magnitude is negative.
        of_side: whether they are shares of the image's side; the operation takes pixels.
    """

    weakest: float = 0.0
    strongest: float = 0.0
    signed: bool = False
    of_side: bool = False


WITHOUT = Range()
"""Of an operation that has no magnitude."""


class Space:
    """Operations that may be drawn, each with its magnitudes, on any device.

    Args:
        ranges: by the name of the operation.
        steps: of the magnitude, the weakest and the strongest among them.
        side: of the images, in pixels.
    """

    def __init__(self, ranges: Mapping[str, Range], steps: int, side: int) -> None:
        self.numbers = torch.tensor([OPERATIONS.index(name) for name in ranges])
        self.signed = torch.tensor([one.signed for one in ranges.values()])
        self.table = torch.stack(
            [_magnitudes(name, one, steps, side) for name, one in ranges.items()]
        )

    def __len__(self) -> int:
        return len(self.numbers)

    def look_up(
        self, drawn: Tensor, steps: Tensor | int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the operations' numbers and their magnitudes, half of the signed ones negative.

        Args:
            drawn: places of operations in this space, of any shape.
            steps: of the magnitudes, of the same shape or one for all.
            generator: draws the signs.
        """
        if self.table.device != drawn.device:  # once in a run
            for name in ("numbers", "signed", "table"):
                setattr(self, name, getattr(self, name).to(drawn.device, non_blocking=True))
        coins = torch.rand(drawn.shape, generator=generator, device=drawn.device) < 0.5
        magnitudes = self.table[drawn, steps]
        negative = coins & self.signed[drawn]
        return self.numbers[drawn], torch.where(negative, -magnitudes, magnitudes)


def _magnitudes(name: str, one: Range, steps: int, side: int) -> Tensor:
    found = torch.linspace(one.weakest, one.strongest, steps, dtype=torch.float64)
    found = found * side if one.of_side else found
    if name in _WHOLE:
        found = found.trunc() if name in _SHIFTS else found.round()
    return found.float()
