"""The classifier on top of a network: what it computes, and what it starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ltbench.plugins.backbone_options import PROMPT, BackboneOptions


class CosineHead(nn.Module):
    """Returns scale·cos(f, w_c), for each class c the cosine of a feature and its weight vector.

    It has no bias, so that a class is not preferred for being frequent. LIFT (Shi et al., ICML
    2024, arXiv:2309.10019, section 4.3) has it with a scale of 25.

    Args:
        num_features: length F of a feature.
        num_classes: number of classes C.
        scale: what cosines are multiplied by, above 0.
    """

    def __init__(self, num_features: int, num_classes: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(F.normalize(torch.randn(num_classes, num_features)))

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits (N, C) for features (N, F)."""
        return self.scale * F.linear(F.normalize(features), F.normalize(self.weight))


@dataclass(frozen=True)
class Head:
    """Which classifier a network gets, as the brackets of a backbone's name say.

    Attributes:
        kind: ``linear`` or ``cosine``.
        scale: of a cosine classifier.
        init: what its weight vectors start from: ``random``, ``class-mean``, the mean features of
            the classes' training images, or ``text``, those of the classes' names.
        prompt: of ``text``: what is written around a name; see
            :func:`ltbench.plugins.class_texts.templates`.
    """

    kind: str = "linear"
    scale: float = 25.0
    init: str = "random"
    prompt: str = PROMPT

    @classmethod
    def of(cls, options: BackboneOptions) -> Self:
        """Return the classifier that options of a backbone ask for."""
        return cls(options.head, options.scale, options.init, options.prompt)

    @property
    def asked(self) -> str:
        """What of it is not the usual, as typed: ``head=cosine,init=text``; empty where all is."""
        parts = [f"head={self.kind}"] if self.kind != "linear" else []
        parts += [f"init={self.init}"] if self.init != "random" else []
        return ",".join(parts)

    def build(self, num_features: int, num_classes: int) -> nn.Module:
        """Return the classifier of features of this length, with random weights."""
        if self.kind == "cosine":
            return CosineHead(num_features, num_classes, self.scale)
        return nn.Linear(num_features, num_classes)
