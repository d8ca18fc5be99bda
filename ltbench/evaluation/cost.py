"""What a model costs: parameters and multiply-adds, for fair comparisons of methods of one size."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from ltbench.plugins.algorithm import Algorithm


def parameter_count(model: Algorithm) -> int:
    """Return the number of parameters, those that training alone needs included."""
    return sum(parameter.numel() for parameter in model.parameters())


@torch.no_grad()
def multiply_adds(model: Algorithm) -> int:
    """Return the multiply-adds (MACs) of predicting one image.

    Convolutions, matrix products and attention count; element-wise operations do not.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    image = torch.zeros(1, *model.train_info.image_shape, device=device)
    with FlopCounterMode(display=False) as counter:
        model.predict(image)
    model.train(was_training)
    return int(counter.get_total_flops()) // 2
