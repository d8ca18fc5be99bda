"""Optimisers as a protocol wants them, whatever parameters an algorithm gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ltbench.errors import UsageError
from ltbench.plugins.algorithm import Algorithm, MakeOptimizer
from ltbench.results.optimizer_names import OF_TORCH
from ltbench.results.protocol import Protocol
from ltbench.training.layers import layer_factors, spared

FACTOR = "lr_factor"
"""Key of a group of parameters under which the factor on its learning rate stands."""


def optimizer_maker(protocol: Protocol, model: Algorithm | None = None) -> MakeOptimizer:
    """Return a function that builds the protocol's optimiser for given parameters.

    Args:
        protocol: names the optimiser and has its settings.
        model: whose classifier, backbone and layers may learn at rates of their own.
    """
    factors = _factors(protocol, model) if model else {}
    without_decay = spared(model) if model and protocol.decay_weights_only else set()

    def make(parameters: Iterable[nn.Parameter]) -> Optimizer:
        parameters = list(parameters)
        if not parameters:
            raise UsageError(
                f"{type(model).__name__} trains a part by an optimiser of its own of which nothing "
                "is trained here: choose another algorithm, or another adapt of the backbone"
            )
        groups = _groups(protocol, parameters, factors, without_decay)
        alike = all(group.keys() == {"params"} for group in groups)
        optimizer = _build(protocol, parameters if alike else groups)
        if protocol.grad_clip:  # whoever takes the step: algorithms may own their optimisation
            optimizer.register_step_pre_hook(lambda *_: clip(parameters))
        return optimizer

    def clip(parameters: Sequence[nn.Parameter]) -> None:
        nn.utils.clip_grad_norm_(parameters, protocol.grad_clip)

    return make


def has_betas(protocol: Protocol) -> bool:
    """Return whether the protocol's optimiser averages gradients by shares, its betas, as Adam."""
    try:
        (group,) = _build(protocol, [nn.Parameter(torch.zeros(1))]).param_groups
    except AssertionError:  # of timm: it is for a GPU, which a machine that plans may lack
        return True
    return "betas" in group


def base_lr(optimizers: Mapping[str, Optimizer]) -> float:
    """Return the present learning rate of the first optimiser, without factors of layers."""
    groups = [g for optimizer in optimizers.values() for g in optimizer.param_groups]
    return float(groups[0]["lr"]) / groups[0].get(FACTOR, 1.0) if groups else 0.0


def _build(protocol: Protocol, parameters: Sequence[Any]) -> Optimizer:
    name, lr, decay = protocol.optimizer, protocol.lr, protocol.weight_decay
    # Fused: one kernel instead of ten, which leaves a step of a scaled loss out without the host's
    # knowledge. A checkpoint of before says that it is not fused, and goes on so.
    if name == "sgd":
        momentum = protocol.momentum
        sgd = torch.optim.SGD(parameters, lr, momentum, weight_decay=decay, fused=True)
        sgd.register_step_pre_hook(_begin_late_momenta)
        return sgd
    if name in OF_TORCH:
        kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
        return kind(parameters, lr, weight_decay=decay, fused=True)
    from timm.optim import create_optimizer_v2

    found: Optimizer = create_optimizer_v2(
        parameters, opt=name, lr=lr, weight_decay=decay, momentum=protocol.momentum
    )
    return found


def _begin_late_momenta(optimizer: Optimizer, *_: object) -> None:
    """Give those whose first gradient comes later than another's a momentum of zero.

    The fused kernel takes the momenta of a group all together or none. From zero they become what
    they begin as without it: the gradient, as nothing is dampened.
    """
    for group in optimizer.param_groups:
        if not (group["fused"] and group["momentum"]):
            continue
        moving = [p for p in group["params"] if p.grad is not None]
        late = [p for p in moving if _momentum(optimizer, p) is None]
        if len(late) < len(moving):
            for parameter in late:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter.grad)


def _momentum(optimizer: Optimizer, parameter: Tensor) -> Tensor | None:
    found: Tensor | None = optimizer.state.get(parameter, {}).get("momentum_buffer")
    return found


def _factors(protocol: Protocol, model: Algorithm) -> dict[int, float]:
    """Return the factors on the learning rate, other than 1, by the parameter's id."""
    factors: dict[int, float] = {}
    if protocol.layer_decay != 1:
        factors |= layer_factors(model.backbone, protocol.layer_decay)
    for module, factor in (
        (model.backbone, protocol.backbone_lr),
        (model.classifier, protocol.classifier_lr),
    ):
        for parameter in module.parameters():
            factors[id(parameter)] = factors.get(id(parameter), 1.0) * factor
    return {key: factor for key, factor in factors.items() if factor != 1}


def _groups(
    protocol: Protocol,
    parameters: Sequence[nn.Parameter],
    factors: Mapping[int, float],
    without_decay: set[int],
) -> list[dict[str, Any]]:
    """Return the parameters in groups that are treated alike, in the order of their first ones."""
    groups: dict[tuple[float, bool], dict[str, Any]] = {}
    for parameter in parameters:
        factor, free = factors.get(id(parameter), 1.0), id(parameter) in without_decay
        group = groups.setdefault((factor, free), {"params": []})
        group["params"].append(parameter)
        if factor != 1:
            group |= {"lr": protocol.lr * factor, FACTOR: factor}
        if free:
            group["weight_decay"] = 0.0
    return list(groups.values())
