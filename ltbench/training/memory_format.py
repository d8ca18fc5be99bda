"""In which order a network's weights, and with them the maps inside it, lie in memory."""

from __future__ import annotations

import torch
from torch import nn


def channels_last(model: nn.Module) -> None:
    """Put the channels of everything of four axes last in memory, in place.

    ``model.to(memory_format=torch.channels_last)`` refuses a model that has anything of five axes,
    such as statistics of maps that an algorithm keeps; here that stays as it is.

    Args:
        model: a model on any device.
    """

    def put(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor

    model._apply(put)  # type: ignore[no-untyped-call]
