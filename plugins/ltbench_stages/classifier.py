"""A classifier that starts from the one of the stage before."""

from __future__ import annotations

import torch
from torch import nn

from ltbench.api import Algorithm


def classifier_from(base: Algorithm) -> nn.Linear:
    """Return a linear classifier with the weights of ``base``, and its bias where it has one.

    Raises:
        UsageError: the classifier of ``base`` is not linear in the features.
    """
    weight = base.class_weights().detach()
    classifier = nn.Linear(weight.shape[1], weight.shape[0], device=weight.device)
    bias = base.class_bias()
    with torch.no_grad():
        classifier.weight.copy_(weight)
        if bias is None:
            classifier.bias.zero_()
        else:
            classifier.bias.copy_(bias)
    return classifier
