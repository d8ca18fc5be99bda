"""The augmentation of photographs: crop, flip, colour jitter, grey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ltbench_augmentations.colour import HUE, jitter, jitter_each, luma
from ltbench_augmentations.crops import pixel_boxes, random_crops, random_flips
from ltbench_augmentations.resampling import resample_boxes


class PhotoDraws(NamedTuple):
    """The random parameters of every image of a batch, on the images' device.

    Attributes:
        boxes: left, top, right and bottom of the crops in whole pixels, (N, 4) int64.
        flips: which images are mirrored, (N,) bool.
        factors: of brightness, contrast and saturation, and the turn of the hue, (N, 4).
        orders: the jitters of each image in their order, as places in :attr:`Photo.kinds`,
            (N, len(kinds)) int64.
        grey: which images lose their colour, (N,) bool.
    """

    boxes: Tensor
    flips: Tensor
    factors: Tensor
    orders: Tensor
    grey: Tensor


@dataclass(frozen=True)
class Photo:
    """Crop, flip, jitter and grey photographs, as torchvision's transforms of those names do.

    Everything is drawn for each image, from the generator alone. Then the images pass as a batch;
    on the CPU one by one, which gives the same values and keeps each in the processor's cache.

    Attributes:
        area: smallest and largest share of the image's area that a crop has.
        jitter: half-widths around 1 of the factors of brightness, contrast and saturation, and
            around 0 of the turn of the hue.
        grey: share of the images that lose their colour.
        share: of the images that are jittered.
    """

    area: tuple[float, float]
    jitter: tuple[float, float, float, float]
    grey: float
    share: float = 1.0

    @property
    def kinds(self) -> list[int]:
        """The jitters that are applied at all."""
        return [kind for kind, width in enumerate(self.jitter) if width]

    def __call__(
        self, images: Tensor, sizes: Tensor, side: int, generator: torch.Generator
    ) -> Tensor:
        """Augment a batch; see :meth:`ltbench.api.Augmentation.crop`."""
        draws = self.draw(sizes, images.shape[-1], generator)
        apply = self.one_by_one if images.device.type == "cpu" else self.at_once
        return apply(images, draws, side)

    def draw(self, sizes: Tensor, stored: int, generator: torch.Generator) -> PhotoDraws:
        """Draw the parameters of a batch.

        Nothing is copied from or to the host, which would have to wait for the device.

        Args:
            sizes: original height and width in pixels, (N, 2).
            stored: side of the stored squares in pixels.
            generator: on the device of ``sizes``.
        """
        n, device = len(sizes), sizes.device
        boxes = pixel_boxes(*random_crops(sizes, self.area, generator), stored)
        flips = random_flips(n, generator, device)
        spread = torch.rand(n, 4, generator=generator, device=device) * 2 - 1
        if self.share < 1:
            spread *= torch.rand(n, 1, generator=generator, device=device) < self.share
        factors = [spread[:, kind] * width for kind, width in enumerate(self.jitter)]
        factors = [drawn if kind == HUE else drawn + 1 for kind, drawn in enumerate(factors)]
        grey = torch.rand(n, generator=generator, device=device) < self.grey
        orders = torch.rand(n, len(self.kinds), generator=generator, device=device).argsort(1)
        return PhotoDraws(boxes, flips, torch.stack(factors, 1), orders, grey)

    def at_once(self, images: Tensor, draws: PhotoDraws, side: int) -> Tensor:
        """Apply the parameters to all images together, on any device."""
        x = resample_boxes(images, draws.boxes, side).mul_(1 / 255)
        x = torch.where(_each(draws.flips), x.flip(-1), x)
        jitter_each(x, draws.factors, draws.orders, self.kinds)
        return torch.where(_each(draws.grey), luma(x), x)

    def one_by_one(self, images: Tensor, draws: PhotoDraws, side: int) -> Tensor:
        """Apply the parameters to one image after another, on the CPU."""
        out = torch.empty(len(images), images.shape[1], side, side)
        rows = zip(*(column.tolist() for column in draws), strict=True)
        for i, ((left, top, right, bottom), flip, factors, order, grey) in enumerate(rows):
            crop = images[i : i + 1, :, top:bottom, left:right]
            crop = F.interpolate(crop, (side, side), mode="bilinear", antialias=True)[0]
            x = out[i].copy_(crop.flip(-1) if flip else crop).mul_(1 / 255)
            jitter(x, factors, [self.kinds[place] for place in order])
            if grey:
                x.copy_(luma(x).expand_as(x))
        return out


def _each(values: Tensor) -> Tensor:
    """Return one value an image, (N,), so that it applies to its pixels."""
    return values.view(-1, 1, 1, 1)
