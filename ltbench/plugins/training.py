"""What an algorithm may ask of the training loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from ltbench.plugins.class_texts import ClassTexts

Change = Callable[[Tensor, Tensor], Tensor]
"""Takes images, floats 0…1 (m, channels, H, W), and where they stand among those that were asked
about, (m,); returns the images changed."""


class FeaturePass(Protocol):
    """Features of a whole part of the data set; see :class:`Training`."""

    @property
    def features(self) -> Tensor:
        """The features, (N, F)."""

    @property
    def y(self) -> Tensor:
        """The classes, (N,)."""

    @property
    def d(self) -> Tensor:
        """The domains, (N,)."""


class LogitPass(Protocol):
    """Logits of a whole part of the data set; see :class:`Training`."""

    @property
    def logits(self) -> Tensor:
        """The logits, (N, C)."""

    @property
    def y(self) -> Tensor:
        """The classes, (N,)."""

    @property
    def d(self) -> Tensor:
        """The domains, (N,)."""


class Training(Protocol):
    """What an algorithm may ask of the training loop in :meth:`Algorithm.before_step`."""

    def extract_features(self, part: str) -> FeaturePass:
        """Return the features (N, F), classes and domains of ``train`` or ``val`` images.

        The images are not augmented and the model is in evaluation mode meanwhile.

        Raises:
            PluginError: other images are asked for, such as those of the test.
        """

    def pass_over(self, part: str) -> FeaturePass:
        """Do the same; the older name of :meth:`extract_features`."""
        return self.extract_features(part)

    def extract_logits(self, part: str) -> LogitPass:
        """Return the logits (N, C) of the same images, with their classes and domains."""
        raise NotImplementedError

    def initial_state(self) -> Mapping[str, Tensor]:
        """Return the model's state as it was before any of its training, by its own names.

        It is what the seed, or pretrained weights, made; the model stays as it is.
        """
        raise NotImplementedError

    def estimate_batch_norm(self) -> None:
        """Estimate the model's statistics of batch normalisation anew, from training images.

        Those that the protocol freezes stay.
        """

    def say(self, sentence: str) -> None:
        """Tell whoever watches the run, in a sentence without a full stop."""

    def train_labels(self) -> tuple[Tensor, Tensor]:
        """Return the classes and the domains of all training images, (N,) each."""
        raise NotImplementedError

    def predict_augmented(
        self, places: Tensor, change: Change, generator: torch.Generator
    ) -> Tensor:
        """Return the logits (n, C) of some training images, augmented as a step's first view is.

        The model is in evaluation mode meanwhile. :meth:`Algorithm.augment_by_class` is left out.

        Args:
            places: of the images among those of :meth:`train_labels`, (n,).
            change: what else is done to them before they are normalised.
            generator: draws what is random, on the model's device.
        """
        raise NotImplementedError

    def class_texts(self, prompt: str) -> ClassTexts:
        """Return what the text tower that belongs to the backbone's weights says of the classes.

        Args:
            prompt: what is written around a name, ``a photo of a {}.``; of several with ``|``
                between them the mean is taken.

        Raises:
            UsageError: the weights come without a text tower, classes have no names, or the extra
                ``clip`` is not installed. An algorithm that has ``needs_texts`` is refused for
                that before its training.
        """
        raise NotImplementedError
