"""An adapted network as the plain network that computes the same."""

from __future__ import annotations

from torch import Tensor, nn

from ltbench.models.adaptation.lora import LoRALinear


def merged_state(network: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a network, frozen or not, by the names that it had without adapters.

    Updates of low rank are added to the weights that they adapt. What other adapters brought keeps
    its own names, which the plain network does not have.
    """
    low_rank = {
        f"{name}.": module
        for name, module in network.named_modules()
        if isinstance(module, LoRALinear)
    }
    named = (
        *network.named_parameters(remove_duplicate=False),
        *network.named_buffers(remove_duplicate=False),
    )
    found = {name: tensor for name, tensor in named if not name.startswith(tuple(low_rank))}
    for place, module in low_rank.items():
        found[f"{place}weight"] = module.weight
        if module.bias is not None:
            found[f"{place}bias"] = module.bias
    return found
