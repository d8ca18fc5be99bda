"""Parts of a network that no training touches.

What is frozen is a buffer and no parameter, and no part of the module's state. So no optimiser and
no average of weights sees it, ``requires_grad_(True)`` does not thaw it, and no checkpoint has it,
whichever algorithm, modifier or stage there is; it moves between devices with the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch
from torch import nn

Chooses = Callable[[nn.Module, str], bool]
"""Whether a parameter of a module is trained, given the module and the parameter's name in it."""


def freeze(network: nn.Module, trained: Chooses = lambda module, name: False) -> int:
    """Freeze a network in place, all but some parameters; return how many parameters that froze.

    Args:
        network: in any mode; statistics of its normalisations are frozen as well.
        trained: the parameters that are not frozen.
    """
    count, seen = 0, set[int]()
    for module in network.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is None or trained(module, name):
                continue
            if id(parameter) not in seen:
                seen.add(id(parameter))
                count += parameter.numel()
            del module._parameters[name]
            module.register_buffer(name, parameter.detach(), persistent=False)
            module.has_frozen_weights = True  # type: ignore[assignment]
        module._non_persistent_buffers_set.update(module._buffers)
        if isinstance(module, nn.modules.batchnorm._NormBase) and module.running_mean is not None:
            module.track_running_stats = False  # else it asks states for a count of its batches
    return count


def has_weights(module: nn.Module) -> bool:
    """Return whether a module of a network has weights, trained or frozen.

    Those that ``adapt`` of a backbone freezes are no parameters.
    """
    frozen = any(getattr(m, "has_frozen_weights", False) for m in module.modules())
    return frozen or next(module.parameters(), None) is not None


def digest_of(network: nn.Module) -> bytes:
    """Return the SHA-256 of all that is frozen in a network, by name."""
    digest = hashlib.sha256()
    for name, value in sorted(network.named_buffers()):
        plain = value.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.digest()
