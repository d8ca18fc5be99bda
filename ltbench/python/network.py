"""The chosen model of a run as a module of torch, with the transform of its images."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from ltbench.data.image_files import pixels_of
from ltbench.errors import UsageError
from ltbench.training.trained_model import TrainedModel


class Network(nn.Module):
    """A trained network: images (N, channels, side, side) in, logits (N, C) out.

    It is in evaluation mode. ``transform`` makes of an image what it takes, as for the run's test::

        model = ltbench.load("runs")[0].model()
        logits = model(model.transform("moth.jpg")[None])

    Args:
        trained: the model.

    Attributes:
        classes: names of the classes, in the order of the logits.
        trained: the run's specification and the algorithm.
    """

    def __init__(self, trained: TrainedModel) -> None:
        super().__init__()
        self.trained = trained
        self.algorithm = trained.algorithm
        self.classes = trained.classes
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of images.

        Args:
            x: of :meth:`transform`, (N, channels, side, side), on the model's device.
        """
        return self.algorithm.predict(x)

    def features(self, x: Tensor) -> Tensor:
        """Return the features (N, F) of images, from which the logits are made."""
        return self.algorithm.features(x)

    def transform(self, image: str | os.PathLike[str] | Image.Image | NDArray[np.uint8]) -> Tensor:
        """Return what the network sees of an image, (channels, side, side).

        Args:
            image: a file, an image of Pillow, which is turned upright and laid over white as a file
                is, or pixels (H, W) or (H, W, channels) uint8.

        Raises:
            DataError: the file is no image.
            UsageError: it has other channels than the network takes, or the image of Pillow cannot
                be decoded or does not say which value is white.
        """
        return self.trained.transform(self._pixels(image))

    def _pixels(
        self, image: str | os.PathLike[str] | Image.Image | NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        channels = self.trained.facts.channels
        if isinstance(image, str | os.PathLike):
            return self.trained.read(Path(image))
        if isinstance(image, Image.Image):
            return _opened(image, channels)
        pixels = np.asarray(image)
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
        if pixels.ndim != 3 or pixels.dtype != np.uint8 or pixels.shape[2] not in (1, channels):
            raise UsageError(
                f"the network takes images (H, W, {channels}) of uint8, and this one is "
                f"{pixels.shape} of {pixels.dtype}"
            )
        return pixels


def _opened(image: Image.Image, channels: int) -> NDArray[np.uint8]:
    try:
        return pixels_of(image, channels)
    except (OSError, ValueError) as error:
        raise UsageError(f"the image cannot be used: {error}") from error
