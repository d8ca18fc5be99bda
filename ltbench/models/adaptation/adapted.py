"""A backbone of which a part is trained; the rest stays as it was built."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from ltbench.errors import UsageError
from ltbench.models.adaptation.adaptformer import add_adapters
from ltbench.models.adaptation.frozen import digest_of, freeze
from ltbench.models.adaptation.lora import add_lora
from ltbench.models.adaptation.own_parts import is_bias, of_normalisation
from ltbench.models.adaptation.prompts import add_prompts
from ltbench.plugins.backbone import Backbone
from ltbench.plugins.backbone_options import BackboneOptions

FULL, HEAD = "full", "head"
Insert = Callable[[nn.Module, BackboneOptions, int], int]
"""Puts adapters into a frozen network and returns how many, given the options and the classes."""

_OWN = {HEAD: lambda module, name: False, "bitfit": is_bias, "layernorm": of_normalisation}
_INSERTED: Mapping[str, tuple[Insert, str]] = {
    "lora": (add_lora, "attention whose queries and values are linear layers"),
    "adaptformer": (add_adapters, "blocks of a vision transformer, each with an MLP of its own"),
    "vpt-shallow": (add_prompts, "blocks of a vision transformer that take further tokens"),
    "vpt-deep": (add_prompts, "blocks of a vision transformer that take further tokens"),
}
_NEEDED = {"bitfit": "biases", "layernorm": "normalisations with weights"}


class AdaptedBackbone(Backbone):
    """A network whose adapters, or chosen parts, are trained.

    It is in evaluation mode at all times: batch normalisation keeps its statistics, and nothing is
    dropped. Its state are the trained parameters and a digest of all others, which are rebuilt from
    the seed or the weights when a run goes on.

    Args:
        network: adapted, on the CPU.
        name: of the backbone with its options, for messages.
        num_features: of an image.
        frozen: how many parameters are frozen.
    """

    def __init__(self, network: nn.Module, name: str, num_features: int, frozen: int) -> None:
        super().__init__()
        self.network, self.name = network, name
        self.num_features, self.frozen_parameters = num_features, frozen
        self.preprocessing = getattr(network, "preprocessing", None)
        self.digest = digest_of(network)
        self.train()

    def forward(self, x: Tensor) -> Tensor:
        """Return the features (N, ``num_features``) of the images ``x``."""
        features: Tensor = self.network(x)
        return features

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode: what is trained knows no other."""
        return super().train(False)

    def get_extra_state(self) -> Tensor:
        """Return the digest of what is frozen, (32,)."""
        return torch.tensor(list(self.digest), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Check that what is frozen here is what was frozen where a state was written.

        Raises:
            UsageError: it is not.
        """
        if bytes(state.tolist()) != self.digest:
            raise UsageError(
                f"the frozen part of {self.name} is not what it was when the training began (its "
                "weights, or the version of a library, are others): bring those back, or remove "
                "the run's folder to train it anew"
            )

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy with adapters of its own and the same frozen tensors."""
        memo |= {id(tensor): tensor for tensor in self.network.buffers()}
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin


def adapted(backbone: Backbone, options: BackboneOptions, name: str, classes: int) -> Backbone:
    """Return a backbone adapted as its options say; without any, itself.

    New weights are drawn from torch's generator, after those of the backbone.

    Args:
        backbone: on the CPU, its weights loaded; it is changed.
        options: of the backbone.
        name: of the backbone, for messages.
        classes: of the data set.

    Raises:
        UsageError: it has nothing that could be adapted so.
    """
    kind = options.adapt
    if kind == FULL:
        return backbone
    frozen = freeze(backbone, _OWN.get(kind, _OWN[HEAD]))
    insert, needed = _INSERTED.get(kind, (None, _NEEDED.get(kind, "")))
    found = insert(backbone, options, classes) if insert else len(list(backbone.parameters()))
    if not found and kind != HEAD:
        raise UsageError(
            f"adapt={kind} trains {needed}, and backbone '{name}' has none: choose another "
            "backbone, or adapt=full or adapt=head"
        )
    return AdaptedBackbone(backbone, f"{name}[adapt={kind}]", backbone.num_features, frozen)
