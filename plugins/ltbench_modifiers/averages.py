"""Means of weights over steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor


class Average:
    """The mean of a model's weights at some steps.

    Args:
        weights: any of the model's, by name; they give the shapes.

    Attributes:
        values: the mean, by name; of no meaning where nothing was added.
        count: how many weights it is the mean of.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.values = {name: torch.zeros_like(value) for name, value in weights.items()}
        self.count = 0

    @torch.no_grad()
    def add(self, weights: Mapping[str, Tensor], count: int = 1) -> None:
        """Take in weights that are the mean of ``count``."""
        if not count:
            return
        self.count += count
        move(self.values, weights, count / self.count)

    def join(self, other: Self) -> None:
        """Take in all that another one is the mean of."""
        self.add(other.values, other.count)

    def state_dict(self) -> dict[str, Any]:
        """Return the mean and its count; of nothing the count alone."""
        return {"values": self.values if self.count else {}, "count": self.count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take what :meth:`state_dict` returned."""
        self.count = int(state["count"])
        if self.count:
            restore(self.values, state["values"])


@torch.no_grad()
def move(values: Mapping[str, Tensor], towards: Mapping[str, Tensor], share: float) -> None:
    """Move values a share of the way towards others, in place; with 1 they are the others' bits."""
    torch._foreach_lerp_(list(values.values()), [towards[name] for name in values], share)


@torch.no_grad()
def restore(values: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> None:
    """Set values in place to those of a checkpoint."""
    for name, value in values.items():
        value.copy_(saved[name])


def copies(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights as they are now."""
    return {name: value.detach().clone() for name, value in weights.items()}
