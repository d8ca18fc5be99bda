"""The augmentation of LIFT+: square crops that grow in the course of the training."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ltbench.api import Augmentation, HParams, hparam
from ltbench_augmentations.crops import pixel_boxes
from ltbench_augmentations.photo import Photo

COURSES: dict[str, Callable[[float], float]] = {
    "convex": lambda t: 1 - math.sqrt(1 - t**2),
    "linear": lambda t: t,
    "concave": lambda t: math.sqrt(1 - (1 - t) ** 2),
}
"""How far the least area has risen after a share t of the training."""


class GrowingCropHParams(HParams):
    """Hyper-parameters of crops that grow."""

    area: float = hparam(
        0.08, low=0.0001, high=1.0, help="least share of the image's area at the beginning"
    )
    course: str = hparam(
        "convex", choices=tuple(COURSES), help="how the least share rises to 1: late, evenly, early"
    )


class GrowingCrop(Augmentation):
    """LIFT+'s minimalist augmentation (Shi et al., 2025, arXiv:2504.13282, and its code).

    Squares of uniform random area at a random place; nothing is mirrored. The least area rises from
    ``area`` to all of the image along 1 - √(1 - t²), t the share of the training that is done, so
    that the last images are whole, or their largest squares. In the authors' code t moves from
    epoch to epoch and is 1 in the last, and crops are resized bicubically; here t moves from batch
    to batch, and crops are resized as all random ones are, bilinearly.
    """

    HParams = GrowingCropHParams
    hparams: GrowingCropHParams
    channels = (1, 3)

    def __init__(self, hparams: Any, image_shape: tuple[int, int, int]) -> None:
        super().__init__(hparams, image_shape)
        self.photo = Photo((1.0, 1.0), (0.0, 0.0, 0.0, 0.0), 0.0)

    @property
    def least(self) -> float:
        """The least share of the image's area that a crop has at present."""
        begin = self.hparams.area
        course = COURSES[self.hparams.course]
        return begin + (1 - begin) * course(min(max(self.progress, 0.0), 1.0))

    def crop(self, images: Tensor, sizes: Tensor, generator: torch.Generator) -> Tensor:
        """Return square crops."""
        stored = images.shape[-1]
        draws = self.photo.draw(sizes, stored, generator)
        boxes = pixel_boxes(*square_crops(sizes, self.least, generator), stored)
        on_cpu = images.device.type == "cpu"
        apply = self.photo.one_by_one if on_cpu else self.photo.at_once
        still = torch.zeros_like(draws.flips)
        return apply(images, draws._replace(boxes=boxes, flips=still), self.side)


def square_crops(sizes: Tensor, least: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw a square for each image, in its own pixels, of uniform area.

    Args:
        sizes: original height and width in pixels, (N, 2).
        least: smallest share of the image's area; no square is larger than the image.
        generator: on the device of ``sizes``.

    Returns:
        Width and height of each crop as shares of the image, (N, 2), and its centre with the image
        spanning -1…1, (N, 2); x before y.
    """
    n, device = len(sizes), sizes.device
    area = sizes.prod(1).to(torch.float32)
    largest = sizes.amin(1).to(torch.float32).square() / area
    smallest = largest.clamp(max=least)
    drawn = torch.rand(n, generator=generator, device=device)
    side = ((smallest + (largest - smallest) * drawn) * area).sqrt()
    scale = (side[:, None] / sizes.flip(1)).clamp(max=1)
    place = torch.rand(n, 2, generator=generator, device=device) * 2 - 1
    return scale, place * (1 - scale)
