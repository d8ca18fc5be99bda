"""Augmentation of whole batches on the device, each image with its own random parameters.

Images come in as uint8 squares together with their original sizes; crops are drawn in original
pixels, so their areas and aspect ratios are those of the protocol although the stored image was
resized to a square.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ltbench.data.colour import HUE, jitter, luma
from ltbench.errors import UsageError, suggestion

Augment = Callable[[Tensor, Tensor, int, torch.Generator], Tensor]
"""``(images uint8 (N, C, S, S), sizes (N, 2), side, generator)`` to floats 0…1 (N, C, side, side).
"""

CROP_RATIO = (3 / 4, 4 / 3)


def plain(images: Tensor, side: int) -> Tensor:
    """Return images (N, C, S, S) uint8 as floats 0…1, resized to ``side`` as for evaluation."""
    x = images.float() / 255
    if x.shape[-1] == side:
        return x
    return F.interpolate(x, (side, side), mode="bilinear", antialias=True, align_corners=False)


def no_augmentation(images: Tensor, sizes: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Leave the images as they are (digits)."""
    return plain(images, side)


def crop_flip(images: Tensor, sizes: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Shift by up to an eighth of the side over a border of zeros and flip every other image.

    Of 32 pixels that is 4, the augmentation of the CIFAR literature.
    """
    x = images if images.shape[-1] == side else plain(images, side)
    border, n = side // 8, len(images)
    corner = torch.randint(2 * border + 1, (n, 2, 1), generator=generator, device=x.device)
    line = torch.arange(side, device=x.device)
    mirrored = torch.where(_flips(x, generator)[:, None] < 0, line.flip(0), line)
    rows, columns = line + corner[:, 0], mirrored + corner[:, 1]
    padded = F.pad(x, (border, border, border, border)).permute(0, 2, 3, 1)
    every = torch.arange(n, device=x.device)[:, None, None]
    x = padded[every, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return x if x.is_floating_point() else x.float() / 255


@dataclass(frozen=True)
class Photo:
    """Crop, flip, jitter and grey photographs, as torchvision's transforms of those names do.

    On the CPU the images pass one by one, so that each stays in the processor's cache; on an
    accelerator they pass as a batch, and share the order of the four jitters, which the CPU draws
    for each image. All else is drawn for each image, from the generator alone.

    Attributes:
        area: smallest and largest share of the image's area that a crop has.
        jitter: half-widths around 1 of the factors of brightness, contrast and saturation, and
            around 0 of the turn of the hue.
        grey: share of the images that lose their colour.
    """

    area: tuple[float, float]
    jitter: tuple[float, float, float, float]
    grey: float

    def __call__(
        self, images: Tensor, sizes: Tensor, side: int, generator: torch.Generator
    ) -> Tensor:
        """Augment a batch; see :data:`Augment`."""
        n, device = len(images), images.device
        scale, centre = random_crops(sizes, self.area, generator)
        flip = _flips(images, generator)
        draws = torch.rand(n, 4, generator=generator, device=device) * 2 - 1
        factors = draws * torch.tensor(self.jitter, device=device)
        factors[:, :HUE] += 1
        grey = torch.rand(n, generator=generator, device=device) < self.grey
        used = [kind for kind, width in enumerate(self.jitter) if width]
        if device.type == "cpu":
            ranks = torch.rand(n, len(used), generator=generator).argsort(1).tolist()
            orders = [[used[rank] for rank in row] for row in ranks]
            boxes = _boxes(scale, centre, images.shape[-1])
            columns = (boxes, flip.tolist(), factors.tolist(), orders, grey.tolist())
            return _one_by_one(images, map(_Draw, *columns), side)
        # Drawn on the host, because waiting for the device would stall the step.
        host = torch.Generator().manual_seed(generator.initial_seed())
        order = [used[rank] for rank in torch.randperm(len(used), generator=host).tolist()]
        x = _resample(images.float().div_(255), scale, centre, flip, side)
        x = jitter(x, factors.T[:, :, None, None, None].unbind(), order)
        return torch.where(grey.view(-1, 1, 1, 1), luma(x), x)


AUGMENTATIONS: dict[str, Augment] = {
    "none": no_augmentation,
    "crop-flip": crop_flip,
    # Yang et al., ECCV 2022
    "photo": Photo(area=(0.7, 1.0), jitter=(0.3, 0.3, 0.3, 0.3), grey=0.1),
    # Liu et al., CVPR 2019, and Kang et al., ICLR 2020, on ImageNet-LT
    "imagenet": Photo(area=(0.08, 1.0), jitter=(0.4, 0.4, 0.4, 0.0), grey=0.0),
}


def augmentation(name: str) -> Augment:
    """Return the augmentation of a protocol by name.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in AUGMENTATIONS:
        raise UsageError(f"there is no augmentation '{name}'{suggestion(name, AUGMENTATIONS)}")
    return AUGMENTATIONS[name]


def random_crops(
    sizes: Tensor, areas: tuple[float, float], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw a crop of random area and aspect ratio for each image.

    As torchvision's ``RandomResizedCrop``: the area is uniform, the aspect ratio log-uniform in
    pixels of the original image, drawn up to ten times until the crop fits.

    Args:
        sizes: original height and width in pixels, (N, 2).
        areas: smallest and largest share of the image's area.
        generator: on the device of ``sizes``.

    Returns:
        Width and height of each crop as shares of the image, (N, 2), and its centre with the
        image spanning -1…1, (N, 2); x before y.
    """
    n, device = len(sizes), sizes.device
    aspect = (sizes[:, 1] / sizes[:, 0])[:, None]
    area = torch.empty(n, 10, device=device).uniform_(*areas, generator=generator)
    low, high = map(math.log, CROP_RATIO)
    ratio = torch.empty(n, 10, device=device).uniform_(low, high, generator=generator).exp()
    shares = torch.stack([(area * ratio / aspect).sqrt(), (area / ratio * aspect).sqrt()], dim=-1)
    fits = (shares <= 1).all(-1)
    first = fits.int().argmax(1)
    chosen = shares[torch.arange(n, device=device), first]
    # Where no draw fits, the largest central crop of an allowed ratio, as torchvision does.
    nearest = aspect.clamp(*CROP_RATIO)
    fallback = torch.cat([(nearest / aspect).clamp(max=1), (aspect / nearest).clamp(max=1)], dim=1)
    some = fits.any(1, keepdim=True)
    scale = torch.where(some, chosen, fallback)
    room = torch.rand(n, 2, generator=generator, device=device) * 2 - 1
    return scale, torch.where(some, room, torch.zeros_like(room)) * (1 - scale)


class _Draw(NamedTuple):
    """The random parameters of one image."""

    box: list[int]
    flip: float
    factors: list[float]
    order: list[int]
    grey: bool


def _one_by_one(images: Tensor, draws: Iterable[_Draw], side: int) -> Tensor:
    """Crop, flip, jitter and grey each image by itself."""
    out = torch.empty(len(images), images.shape[1], side, side)
    for i, draw in enumerate(draws):
        left, top, right, bottom = draw.box
        crop = images[i : i + 1, :, top:bottom, left:right]
        crop = F.interpolate(crop, (side, side), mode="bilinear", antialias=True)[0]
        x = out[i].copy_(crop.flip(-1) if draw.flip < 0 else crop).mul_(1 / 255)
        jitter(x, draw.factors, draw.order)
        if draw.grey:
            x.copy_(luma(x).expand_as(x))
    return out


def _boxes(scale: Tensor, centre: Tensor, stored: int) -> list[list[int]]:
    """Return left, top, right and bottom of each crop in whole pixels of the stored square."""
    corners = torch.cat([centre - scale, centre + scale], dim=1).add(1).mul(stored / 2)
    corners = corners.round().long().clamp(0, stored)
    # A crop thinner than a pixel would be none.
    low = corners[:, :2].clamp(max=stored - 1)
    return torch.cat([low, torch.maximum(corners[:, 2:], low + 1)], dim=1).tolist()


def _flips(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return -1 for images to mirror and 1 for the others, (N,)."""
    return torch.where(torch.rand(len(x), generator=generator, device=x.device) < 0.5, -1.0, 1.0)


def _resample(x: Tensor, scale: Tensor, centre: Tensor, flip: Tensor, side: int) -> Tensor:
    """Read from each image the box of relative size ``scale`` around ``centre``."""
    theta = torch.zeros(len(x), 2, 3, device=x.device)
    theta[:, 0, 0] = scale[:, 0] * flip
    theta[:, 1, 1] = scale[:, 1]
    theta[:, :, 2] = centre
    grid = F.affine_grid(theta, [len(x), x.shape[1], side, side], align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
