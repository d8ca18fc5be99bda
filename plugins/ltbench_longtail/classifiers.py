"""Classifiers that margin losses are made for."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class CosineClassifier(nn.Module):
    """Returns the cosine between the features and each class's weight vector, in −1…1.

    Args:
        num_features: length F of a feature vector.
        num_classes: number of classes C.
    """

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_classes, num_features))

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
