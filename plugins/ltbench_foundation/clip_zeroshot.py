"""CLIP's own classification by the names of the classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from ltbench.api import PROMPT, ClassTexts, HParams, Training, check_prompt, hparam
from ltbench_foundation.untrained import UntrainedAlgorithm


class ClipZeroShotHParams(HParams):
    """Hyper-parameters of CLIP without training."""

    prompt: str = hparam(
        PROMPT,
        help="what is written around a name; several with | between them, or imagenet or simple "
        "for the sets of CLIP",
    )

    @classmethod
    def from_options(cls, options: Mapping[str, Any], owner: str) -> Self:
        """Build from typed options.

        Raises:
            UsageError: an option is out of place, or a template has no place for a name.
        """
        hparams = super().from_options(options, owner)
        check_prompt(hparams.prompt)
        return hparams


class ClipZeroShot(UntrainedAlgorithm):
    """Zero-shot CLIP (Radford et al., ICML 2021, arXiv:2103.00020, section 3.1).

    Logits s·cos(P·f, t_c): the image's feature f, brought by the projection P to the space that it
    shares with texts, the feature t_c of the class's name in its prompt, and the scale s that the
    towers were trained with. Of several templates the features of unit length are averaged (section
    3.1.4). No image trains it, so its rows tell what the weights know of a data set beforehand.
    """

    HParams = ClipZeroShotHParams
    hparams: ClipZeroShotHParams
    needs_texts = True
    classifier: TextClassifier

    def make_classifier(self) -> nn.Module:
        """Return the classifier, in which there are no names yet."""
        return TextClassifier(self.num_features, self.train_info.num_classes)

    def before_step(self, step: int, training: Training) -> None:
        """Ask the text tower."""
        self.classifier.tell(training.class_texts(self.hparams.prompt))


class TextClassifier(nn.Module):
    """Returns s·cos(P·f, t_c) for features f.

    Zero-shot nothing trains it; a stage that trains on (``finetune``) trains both of its matrices,
    which P is in.

    Attributes:
        weight: s·t_cᵀ·P, (C, F).
        root: (F, F), of whose product with a feature the length is that of P·f.
    """

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(num_classes, num_features))
        self.root = nn.Parameter(torch.eye(num_features))

    @torch.no_grad()
    def tell(self, texts: ClassTexts) -> None:
        """Take what a text tower says."""
        projection = texts.projection
        self.weight.copy_(texts.scale * texts.features @ projection)
        shared, own = projection.shape
        if shared > own:  # the triangle of as many rows as there are columns
            projection = torch.linalg.qr(projection.double()).R
        self.root.zero_()
        self.root[: len(projection)].copy_(projection)

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits (N, C) for features (N, F)."""
        lengths = (features @ self.root.T).norm(dim=1, keepdim=True)
        logits: Tensor = features @ self.weight.T
        return logits / lengths.clamp(min=1e-12)
