"""Statistics of batch normalisation for weights that no training batch has passed through."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ltbench.plugins.algorithm import Algorithm

MOST_IMAGES = 4096
"""Training images that statistics are estimated from; fewer where the training set has fewer."""

_Norm = nn.modules.batchnorm._BatchNorm


def freeze_statistics(model: Algorithm) -> None:
    """Put the batch normalisations of a model's backbone in evaluation mode.

    Those of its heads are left as they are: no weights were loaded for them, so that the statistics
    they would keep are those of nothing.
    """
    for module in model.backbone.modules():
        if isinstance(module, _Norm):
            module.eval()


def begin_training(model: Algorithm, *, freeze_bn: bool) -> None:
    """Put a model in training mode, in which its backbone's statistics may be frozen."""
    model.train()
    if freeze_bn:
        freeze_statistics(model)


def adapting_norms(model: Algorithm) -> list[_Norm]:
    """Return the batch normalisations of a model in training mode whose statistics are its own.

    Those that the protocol freezes, and those of a frozen model below a stage, are not.
    """
    return [
        module
        for module in model.modules()
        if isinstance(module, _Norm) and module.training and module.running_mean is not None
    ]


@torch.no_grad()
def estimate_statistics(model: Algorithm, batches: Iterable[Tensor]) -> None:
    """Set the statistics of batch normalisations to their mean over batches of images.

    Everything else of the model is in evaluation mode meanwhile, so that nothing but these changes.
    A normalisation that no image passes through keeps its own. The model is left in evaluation
    mode.

    Args:
        model: in training mode.
        batches: of training images, (N, C, H, W), normalised.
    """
    norms = adapting_norms(model)
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.train()
    try:
        for number, x in enumerate(batches, 1):
            for norm in norms:
                norm.momentum = 1 / number  # a mean over all of them, the first one included
            model.predict(x)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        model.eval()
