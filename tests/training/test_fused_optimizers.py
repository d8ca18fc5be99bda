"""Optimisers in one kernel step as the plain ones do, and go on where plain ones were saved."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from ltbench.results.protocol import Protocol
from ltbench.training.optimizers import optimizer_maker

SETTINGS = {
    "adam": {"optimizer": "adam", "weight_decay": 0.01},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1},
    "sgd": {"optimizer": "sgd", "weight_decay": 0.01, "momentum": 0.9},
    "sgd without momentum": {"optimizer": "sgd", "momentum": 0.0},
    "clipped": {"optimizer": "adam", "grad_clip": 0.1},
}


def plain(protocol: Protocol, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Return the optimiser as torch makes it parameter by parameter."""
    options = {"lr": protocol.lr, "weight_decay": protocol.weight_decay, "foreach": False}
    if protocol.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=protocol.momentum, fused=False, **options)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[protocol.optimizer]
    return kind(parameters, fused=False, **options)


def parameters(dtype: torch.dtype) -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in ((5, 4), (7,), (2, 3, 3, 3))]


def step(
    optimizer: torch.optim.Optimizer, found: list[nn.Parameter], seed: int, clip: float = 0, *,
    late: bool = False,
):  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    for parameter in found:
        parameter.grad = torch.randn(parameter.shape, generator=generator, dtype=torch.float64).to(
            parameter.dtype
        )
    found[1].grad = None if seed == 1 else found[1].grad
    found[0].grad = None if late else found[0].grad
    if clip:
        nn.utils.clip_grad_norm_(found, clip)
    optimizer.step()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", SETTINGS)
def test_steps_are_those_of_plain_ones_to_rounding(name: str, dtype: torch.dtype) -> None:
    protocol = Protocol(lr=0.01, **SETTINGS[name])
    ours, theirs = parameters(dtype), parameters(dtype)
    fused, loop = optimizer_maker(protocol)(ours), plain(protocol, theirs)
    assert fused.param_groups[0]["fused"]
    for seed in range(6):
        step(fused, ours, seed)
        step(loop, theirs, seed, protocol.grad_clip)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", SETTINGS)
def test_one_that_gets_its_first_gradient_late_moves_as_with_plain_ones(
    name: str, dtype: torch.dtype
) -> None:
    protocol = Protocol(lr=0.01, **SETTINGS[name])
    ours, theirs = parameters(dtype), parameters(dtype)
    fused, loop = optimizer_maker(protocol)(ours), plain(protocol, theirs)
    for seed in range(2, 8):
        step(fused, ours, seed, late=seed < 5)
        step(loop, theirs, seed, protocol.grad_clip, late=seed < 5)
        if seed == 3:  # broken off before it came
            saved = copy.deepcopy(fused.state_dict())
            fused = optimizer_maker(protocol)(ours)
            fused.load_state_dict(saved)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", SETTINGS)
def test_what_plain_ones_saved_goes_on_as_plain_bit_for_bit(name: str) -> None:
    protocol = Protocol(lr=0.01, **SETTINGS[name])
    ours, theirs = parameters(torch.float32), parameters(torch.float32)
    loop = plain(protocol, theirs)
    for seed in range(3):
        step(loop, theirs, seed, protocol.grad_clip)
    saved = copy.deepcopy(loop.state_dict())
    for group in saved["param_groups"]:
        group.update(foreach=None, fused=None)  # as torch's defaults wrote them
    for one, other in zip(ours, theirs, strict=True):
        one.data.copy_(other)
    resumed = optimizer_maker(protocol)(ours)
    resumed.load_state_dict(saved)
    for seed in range(3, 6):
        step(loop, theirs, seed, protocol.grad_clip)
        step(resumed, ours, seed)
    for one, other in zip(ours, theirs, strict=True):
        assert one.equal(other)


@pytest.mark.parametrize("name", SETTINGS)
def test_what_is_saved_goes_on_bit_for_bit(name: str) -> None:
    protocol = Protocol(lr=0.01, **SETTINGS[name])
    ours, again = parameters(torch.float32), parameters(torch.float32)
    whole, first = optimizer_maker(protocol)(ours), optimizer_maker(protocol)(again)
    for seed in range(6):
        step(whole, ours, seed)
    for seed in range(3):
        step(first, again, seed)
    second = optimizer_maker(protocol)(again)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for seed in range(3, 6):
        step(second, again, seed)
    for one, other in zip(ours, again, strict=True):
        assert one.equal(other)
