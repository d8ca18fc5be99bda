"""Augmentation of whole batches on the device, each image with its own random parameters.

Images come in as uint8 squares together with their original sizes; crops are drawn in original
pixels, so their areas and aspect ratios are those of the protocol although the stored image was
resized to a square.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ltbench.errors import UsageError, suggestion

Augment = Callable[[Tensor, Tensor, int, torch.Generator], Tensor]
"""``(images uint8 (N, C, S, S), sizes (N, 2), side, generator)`` to floats 0…1 (N, C, side, side).
"""

CROP_AREA = (0.7, 1.0)
CROP_RATIO = (3 / 4, 4 / 3)
JITTER = 0.3
GREY_RATE = 0.1
LUMA = (0.2989, 0.587, 0.114)


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
    """Shift by up to 4 pixels over a border of zeros and flip every other image (CIFAR)."""
    x = plain(images, side)
    shift = torch.randint(-4, 5, (len(x), 2), generator=generator, device=x.device) * 2 / side
    return _resample(x, torch.ones_like(shift), shift.float(), _flips(x, generator), side)


def photo(images: Tensor, sizes: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Crop 70–100 % of the area, flip, jitter the colours by 0.3, grey one in ten (MDLT)."""
    scale, centre = random_crops(sizes, generator)
    x = images.float() / 255
    x = _resample(x, scale, centre, _flips(x, generator), side)
    x = jitter_colours(x, generator)
    grey = torch.rand(len(x), 1, 1, 1, generator=generator, device=x.device) < GREY_RATE
    return torch.where(grey, luma(x), x)


AUGMENTATIONS: dict[str, Augment] = {
    "none": no_augmentation,
    "crop-flip": crop_flip,
    "photo": photo,
}


def augmentation(name: str) -> Augment:
    """Return the augmentation of a protocol by name.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in AUGMENTATIONS:
        raise UsageError(f"there is no augmentation '{name}'{suggestion(name, AUGMENTATIONS)}")
    return AUGMENTATIONS[name]


def random_crops(sizes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw a crop of random area and aspect ratio for each image.

    As torchvision's ``RandomResizedCrop``: the area is uniform, the aspect ratio log-uniform in
    pixels of the original image, drawn up to ten times until the crop fits.

    Args:
        sizes: original height and width in pixels, (N, 2).
        generator: on the device of ``sizes``.

    Returns:
        Width and height of each crop as shares of the image, (N, 2), and its centre with the
        image spanning -1…1, (N, 2); x before y.
    """
    n, device = len(sizes), sizes.device
    aspect = (sizes[:, 1] / sizes[:, 0])[:, None]
    area = torch.empty(n, 10, device=device).uniform_(*CROP_AREA, generator=generator)
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


def jitter_colours(x: Tensor, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast, saturation and hue, each image by its own factors.

    The order of the four is drawn once per batch; torchvision draws it per image.
    """

    def factors(low: float, high: float) -> Tensor:
        shape = (len(x), 1, 1, 1)
        return torch.empty(shape, device=x.device).uniform_(low, high, generator=generator)

    for kind in torch.randperm(4, generator=generator, device=x.device).tolist():
        if kind == 3:
            x = shift_hue(x, factors(-JITTER, JITTER))
            continue
        if kind == 0:
            base = torch.zeros_like(x[:, :1])
        else:
            base = luma(x) if kind == 2 else luma(x).mean((2, 3), keepdim=True)
        x = torch.lerp(base.expand_as(x), x, factors(1 - JITTER, 1 + JITTER)).clamp(0, 1)
    return x


def shift_hue(x: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue of RGB images (N, 3, H, W) in 0…1 by ``turns`` (N, 1, 1, 1) of the circle."""
    value, lowest = x.amax(1, keepdim=True), x.amin(1, keepdim=True)
    chroma = value - lowest
    safe = torch.where(chroma == 0, torch.ones_like(chroma), chroma)
    r, g, b = x[:, 0:1], x[:, 1:2], x[:, 2:3]
    hue = torch.where(
        value == r, (g - b) / safe, torch.where(value == g, 2 + (b - r) / safe, 4 + (r - g) / safe)
    )
    offsets = torch.tensor([5.0, 3.0, 1.0], device=x.device).view(1, 3, 1, 1)
    k = (hue + 6 * turns + offsets) % 6
    return value - chroma * torch.minimum(k, 4 - k).clamp(0, 1)


def luma(x: Tensor) -> Tensor:
    """Return the brightness of RGB images as (N, 1, H, W); one-channel images are their own."""
    if x.shape[1] == 1:
        return x
    return (x * torch.tensor(LUMA, device=x.device).view(1, 3, 1, 1)).sum(1, keepdim=True)


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
