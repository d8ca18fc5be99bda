"""The contract of an augmentation plugin."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ltbench.plugins.hparams import HParams


def plain(images: Tensor, side: int, interpolation: str = "bilinear") -> Tensor:
    """Return images (N, C, S, S) uint8 as floats 0…1, resized to ``side`` as for evaluation.

    Args:
        images: the images.
        side: of what the network sees, in pixels.
        interpolation: ``bilinear`` or ``bicubic``, both with antialiasing, or ``nearest``.
    """
    x = images.float() / 255
    if x.shape[-1] == side:
        return x
    if interpolation == "nearest":
        return F.interpolate(x, (side, side), mode="nearest-exact")
    x = F.interpolate(x, (side, side), mode=interpolation, antialias=True, align_corners=False)
    return x.clamp(0, 1) if interpolation == "bicubic" else x  # a cubic overshoots at edges


class Augmentation:
    """What is done to training images, alone or in a chain: ``crop-flip>randaugment``.

    Most override :meth:`augment`. One that cuts from the stored images overrides :meth:`crop` and
    stands first in a chain; one that makes an image of two overrides :meth:`mix`, and a chain has
    one of these at most.

    A batch is on the device, and everything is drawn for each image from the generator that is
    handed in, which is on the same device and seeded anew for every step: a resumed run draws what
    an uninterrupted one draws. What reads values back from the device waits for it.

    Args:
        hparams: an instance of :attr:`HParams`.
        image_shape: channels, height and width of the images that the network sees.

    Attributes:
        HParams: the hyper-parameters' class.
        channels: the numbers of channels that it works on; empty for any.
        side: height and width in pixels of the images that the network sees.
        progress: share of the stage's batches before the present one, from 0 to below 1.
        interpolation: how whole images are resized, as the weights of the run or its protocol want
            it. Of random crops the resize is part of what is drawn; it is bilinear.
    """

    HParams: ClassVar[type[HParams]] = HParams
    channels: ClassVar[tuple[int, ...]] = ()
    interpolation = "bilinear"
    progress: float = 0.0

    def __init__(self, hparams: Any, image_shape: tuple[int, int, int]) -> None:
        self.hparams: Any = hparams
        self.image_shape = image_shape
        self.side = image_shape[-1]
        self.interpolation = "bilinear"

    def crop(self, images: Tensor, sizes: Tensor, generator: torch.Generator) -> Tensor:
        """Return the stored images as the network sees them; resized as a whole unless overridden.

        Args:
            images: squares, (N, C, S, S) uint8, at least as large as the network sees them.
            sizes: height and width of the images in pixels before they became squares, (N, 2).
            generator: draws what is random.

        Returns:
            Floats 0…1, (N, C, side, side).
        """
        return plain(images, self.side, self.interpolation)

    def augment(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the images changed; as they are unless overridden.

        Args:
            x: floats 0…1, (N, C, side, side), which stay as they are.
            generator: draws what is random.

        Returns:
            Floats 0…1 of the same shape.
        """
        return x

    def mix(self, x: Tensor, others: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return mixtures of images with others; of themselves alone unless overridden.

        The labels are mixed by the same share (:class:`ltbench.api.MixedLabels`).

        Args:
            x: floats 0…1, (N, C, side, side), which stay as they are.
            others: for each image another of the same batch and domain, of the same shape.
            generator: draws what is random.

        Returns:
            Floats 0…1 of the same shape, and the share of ``x`` in them, a scalar in 0…1.
        """
        return x, torch.ones((), device=x.device)


class NoAugmentation(Augmentation):
    """Leaves the images as they are; alone, or nothing in a chain. Source: none needed."""


def crops(cls: type[Augmentation]) -> bool:
    """Return whether an augmentation cuts from the stored images."""
    return cls.crop is not Augmentation.crop


def mixes(cls: type[Augmentation]) -> bool:
    """Return whether an augmentation makes images, and labels, of two."""
    return cls.mix is not Augmentation.mix
