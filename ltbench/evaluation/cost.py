"""What a model costs: parameters and multiply-adds, for fair comparisons of methods of one size."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.backbone import Backbone


def parameter_count(model: Algorithm) -> int:
    """Return the number of parameters, those that training alone needs included."""
    frozen = (m.frozen_parameters for m in model.modules() if isinstance(m, Backbone))
    return trainable_count(model) + sum(frozen)


def trainable_count(model: Algorithm) -> int:
    """Return how many of them some stage of training changes.

    Left out is what a backbone was adapted around, not what a stage leaves as the one before made
    it.
    """
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
