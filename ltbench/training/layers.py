"""Which parameters lie in which layer of a backbone, and which are biases and norms."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.backbone import Backbone


def networks(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the models within a backbone that say which parameters lie in which layer.

    Models of timm do. A backbone may hold several, and one that is not of timm holds none.
    """
    if hasattr(module, "group_matcher"):
        yield module
        return
    for child in module.children():
        yield from networks(child)


def layer_factors(backbone: Backbone, decay: float) -> dict[int, float]:
    """Return the factor on the learning rate of each parameter, by its id.

    It is 1 in the last layer and ``decay`` times as much in each one below (Bao et al., "BEiT",
    ICLR 2022, arXiv:2106.08254), by the layers that timm names.

    Args:
        backbone: holds :func:`networks`; what lies outside of them has no factor.
        decay: in 0…1.
    """
    from timm.optim import param_groups_layer_decay

    return {
        id(parameter): float(group["lr_scale"])
        for net in networks(backbone)
        for group in param_groups_layer_decay(net, weight_decay=0.0, layer_decay=decay)
        for parameter in group["params"]
    }


def spared(model: Algorithm) -> set[int]:
    """Return the ids of the parameters that weight decay is often kept from.

    Biases and norms, those of one axis at most, and what a model of timm names itself (its position
    embeddings, say).
    """
    found = {id(parameter) for parameter in model.parameters() if parameter.ndim <= 1}
    for net in networks(model.backbone):
        named: set[str] = getattr(net, "no_weight_decay", set)()
        found |= {id(parameter) for name, parameter in net.named_parameters() if name in named}
    return found
