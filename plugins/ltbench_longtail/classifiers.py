"""Classifiers that margin losses are made for."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class CosineClassifier(nn.Module):
    """Returns the cosine between the features and each class's weight vector, in −1…1.

    The length of a weight vector changes no cosine, but how far a step turns it: long ones learn
    slowly.

    Args:
        num_features: length F of a feature vector.
        num_classes: number of classes C.
        length: of the weight vectors at the start, 1 in the code of LDAM, BCL and BalPoE; with 0
            their components are drawn from the normal distribution.
    """

    def __init__(self, num_features: int, num_classes: int, length: float = 1.0) -> None:
        super().__init__()
        weight = torch.randn(num_classes, num_features)
        self.weight = nn.Parameter(length * F.normalize(weight) if length else weight)

    def forward(self, features: Tensor) -> Tensor:
        """Return the cosines (N, C) for features (N, F)."""
        return F.linear(F.normalize(features), F.normalize(self.weight))


class ScaledClassifier(nn.Module):
    """Multiplies the logits of a classifier by a constant.

    Args:
        classifier: a linear or a cosine classifier.
        scale: the constant.
    """

    def __init__(self, classifier: nn.Linear | CosineClassifier, scale: float) -> None:
        super().__init__()
        self.classifier = classifier
        self.scale = scale

    @property
    def weight(self) -> Tensor:
        """The weight vectors (C, F) behind the scaled logits."""
        return self.scale * self.classifier.weight

    @property
    def bias(self) -> Tensor | None:
        """The bias (C,) of the scaled logits, where the classifier has one."""
        bias = getattr(self.classifier, "bias", None)
        return self.scale * bias if isinstance(bias, Tensor) else None

    def forward(self, features: Tensor) -> Tensor:
        """Return the scaled logits (N, C) for features (N, F)."""
        logits: Tensor = self.classifier(features)
        return self.scale * logits
