"""The augmentations of a protocol, applied to batches on the device.

Images come in as uint8 squares together with their original sizes; crops are drawn in original
pixels, so their areas and aspect ratios are those of the protocol although the stored image was
resized to a square. Each image has random parameters of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ltbench.plugins.augmentation import Augmentation, mixes, plain
from ltbench.plugins.augmentation_names import KINDS, augmentation_chain
from ltbench.plugins.batch import MixedLabels
from ltbench.plugins.resolve import resolve


class AugmentationChain:
    """Augmentations one after the other: the first may crop, and one of them mix.

    Args:
        text: of the protocol, ``crop-flip>randaugment[m=10]``.
        image_shape: channels, height and width of the images that the network sees.
        interpolation: how whole images are resized; random crops are part of what is drawn, and
            have their own.

    Raises:
        UsageError: one does not exist, or an option is not possible.
        PluginError: one cannot be imported.
    """

    def __init__(
        self, text: str, image_shape: tuple[int, int, int], interpolation: str = "bilinear"
    ) -> None:
        self.side, self.interpolation = image_shape[-1], interpolation
        self.parts: list[Augmentation] = []
        for name in augmentation_chain(text):
            cls, hparams = resolve(KINDS, name.name, name.options)
            self.parts.append(cls(hparams, image_shape))
            self.parts[-1].interpolation = interpolation

    def at(self, progress: float) -> None:
        """Say which share of the stage's batches the next one comes after, from 0 to below 1."""
        for part in self.parts:
            part.progress = progress

    def __call__(
        self,
        images: Tensor,
        sizes: Tensor,
        y: Tensor,
        num_domains: int,
        generator: torch.Generator,
    ) -> tuple[Tensor, MixedLabels | None]:
        """Augment a batch.

        Args:
            images: (N, C, S, S) uint8.
            sizes: original height and width in pixels, (N, 2).
            y: classes, (N,).
            num_domains: of the batch, whose images stand together, as many of each.
            generator: on the device of the images.

        Returns:
            Floats 0…1, (N, C, side, side), and the second classes where images were mixed.
        """
        if self.parts:
            x = self.parts[0].crop(images, sizes, generator)
        else:
            x = plain(images, self.side, self.interpolation)
        mixed = None
        for part in self.parts:
            x = part.augment(x, generator)
            if mixes(type(part)):
                others = partners(len(y), num_domains, generator)
                x, share = part.mix(x, x[others], generator)
                mixed = MixedLabels(y[others], share)
        return x, mixed


def partners(n: int, num_domains: int, generator: torch.Generator) -> Tensor:
    """Return for each of ``n`` images one of the same domain to mix it with, (n,) int64.

    A random permutation of each domain's images, so that every image serves once.
    """
    device = generator.device
    order = torch.rand(num_domains, n // num_domains, generator=generator, device=device).argsort(1)
    first = torch.arange(num_domains, device=device)[:, None] * order.shape[1]
    return (order + first).flatten()
