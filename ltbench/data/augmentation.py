"""The augmentations that protocols name, each one implementation for all devices.

Images come in as uint8 squares together with their original sizes; crops are drawn in original
pixels, so their areas and aspect ratios are those of the protocol although the stored image was
resized to a square. Each image has random parameters of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from ltbench.data.crops import random_flips
from ltbench.data.photo import Photo
from ltbench.errors import UsageError, suggestion

Augment = Callable[[Tensor, Tensor, int, torch.Generator], Tensor]
"""``(images uint8 (N, C, S, S), sizes (N, 2), side, generator)`` to floats 0…1 (N, C, side, side).
"""


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


def no_augmentation(
    images: Tensor,
    sizes: Tensor,
    side: int,
    generator: torch.Generator,
    interpolation: str = "bilinear",
) -> Tensor:
    """Leave the images as they are (digits)."""
    return plain(images, side, interpolation)


def crop_flip(
    images: Tensor,
    sizes: Tensor,
    side: int,
    generator: torch.Generator,
    interpolation: str = "bilinear",
) -> Tensor:
    """Shift by up to an eighth of the side over a border of zeros and flip every other image.

    Of 32 pixels that is 4, the augmentation of the CIFAR literature.
    """
    x = images if images.shape[-1] == side else plain(images, side, interpolation)
    border, n = side // 8, len(images)
    corner = torch.randint(2 * border + 1, (n, 2, 1), generator=generator, device=x.device)
    line = torch.arange(side, device=x.device)
    flips = random_flips(n, generator, x.device)[:, None]
    rows, columns = line + corner[:, 0], torch.where(flips, line.flip(0), line) + corner[:, 1]
    padded = F.pad(x, (border, border, border, border)).permute(0, 2, 3, 1)
    every = torch.arange(n, device=x.device)[:, None, None]
    x = padded[every, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return x if x.is_floating_point() else x.float() / 255


AUGMENTATIONS: dict[str, Augment] = {
    "none": no_augmentation,
    "crop-flip": crop_flip,
    # Yang et al., ECCV 2022
    "photo": Photo(area=(0.7, 1.0), jitter=(0.3, 0.3, 0.3, 0.3), grey=0.1),
    # Liu et al., CVPR 2019, and Kang et al., ICLR 2020, on ImageNet-LT
    "imagenet": Photo(area=(0.08, 1.0), jitter=(0.4, 0.4, 0.4, 0.0), grey=0.0),
}


_WHOLE = {"none": no_augmentation, "crop-flip": crop_flip}
"""Those that resize whole images, as an evaluation does. Of random crops the resize is part of what
is drawn; it is bilinear."""


def augmentation(name: str, interpolation: str = "bilinear") -> Augment:
    """Return the augmentation of a protocol by name.

    Args:
        name: of the augmentation.
        interpolation: how those that resize whole images do it, as in :func:`plain`.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in AUGMENTATIONS:
        raise UsageError(f"there is no augmentation '{name}'{suggestion(name, AUGMENTATIONS)}")
    if name in _WHOLE:
        return partial(_WHOLE[name], interpolation=interpolation)
    return AUGMENTATIONS[name]
