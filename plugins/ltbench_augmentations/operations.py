"""The operations that policies are made of, on batches, with a magnitude for each image.

They do what Pillow's operations of these names do to grey levels, on floats 0…1 and without
rounding to whole grey levels after each; torchvision's functions on floats give the same numbers.
What a shift, shear or rotation leaves empty is black, torchvision's default, and pixels come from
the nearest one, as there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ltbench_augmentations.colour import luma

_WHITE = 255  # grey levels of what Pillow computes with


def shear_x(magnitudes: Tensor, side: int) -> Tensor:
    """Return where pixels come from: rows shifted by a share of their distance from the top."""
    return _matrices(magnitudes, (1, magnitudes, magnitudes * side / 2), (0, 1, 0))


def shear_y(magnitudes: Tensor, side: int) -> Tensor:
    """Return where pixels come from: columns shifted by a share of their distance from the left."""
    return _matrices(magnitudes, (1, 0, 0), (magnitudes, 1, magnitudes * side / 2))


def translate_x(magnitudes: Tensor, side: int) -> Tensor:
    """Return where pixels come from: shifted to the right, in pixels."""
    return _matrices(magnitudes, (1, 0, -magnitudes), (0, 1, 0))


def translate_y(magnitudes: Tensor, side: int) -> Tensor:
    """Return where pixels come from: shifted down, in pixels."""
    return _matrices(magnitudes, (1, 0, 0), (0, 1, -magnitudes))


def rotate(magnitudes: Tensor, side: int) -> Tensor:
    """Return where pixels come from: rotated counter-clockwise about the centre, in degrees."""
    angles = magnitudes * (math.pi / 180)
    cos, sin = angles.cos(), angles.sin()
    return _matrices(magnitudes, (cos, -sin, 0), (sin, cos, 0))


def identity(x: Tensor, magnitudes: Tensor) -> Tensor:
    """Return images as they are."""
    return x


def brightness(x: Tensor, magnitudes: Tensor) -> Tensor:
    """Multiply by 1 + magnitude."""
    return (x * _factor(magnitudes)).clamp_(0, 1)


def color(x: Tensor, magnitudes: Tensor) -> Tensor:
    """Move away from, or towards, the image without colour."""
    return _blended(x, luma(x), magnitudes)


def contrast(x: Tensor, magnitudes: Tensor) -> Tensor:
    """Move away from, or towards, the image's mean brightness."""
    return _blended(x, luma(x.mean((-2, -1), keepdim=True)), magnitudes)


def sharpness(x: Tensor, magnitudes: Tensor) -> Tensor:
    """Move away from, or towards, the image smoothed over 3×3 pixels; the border stays."""
    smooth = x.clone()
    if min(x.shape[-2:]) > 2:
        ones = F.avg_pool2d(x, 3, stride=1) * (9 / 13)  # the weights are 1, and 5 in the middle
        smooth[..., 1:-1, 1:-1] = ones.add_(x[..., 1:-1, 1:-1], alpha=4 / 13)
    return _blended(x, smooth, magnitudes)


def posterize(x: Tensor, magnitudes: Tensor) -> Tensor:
    """Keep as many of the 8 bits of whole grey levels."""
    step = _each(8 - magnitudes).exp2()
    return (x * _WHITE).round_().div_(step).floor_().mul_(step).div_(_WHITE)


def solarize(x: Tensor, magnitudes: Tensor) -> Tensor:
    """Invert what is as bright as the magnitude, or brighter."""
    # A grey level k is k / 255 only to a float's precision.
    return torch.where(x >= _each(magnitudes) - 1e-5, 1 - x, x)


def autocontrast(x: Tensor, magnitudes: Tensor) -> Tensor:
    """Stretch each channel to 0…1, unless it has one value."""
    low, high = x.amin((-2, -1), keepdim=True), x.amax((-2, -1), keepdim=True)
    flat = high == low
    return torch.where(flat, x, (x - low).div_((high - low).masked_fill_(flat, 1)))


def equalize(x: Tensor, magnitudes: Tensor) -> Tensor:
    """Spread the grey levels of each channel evenly, as Pillow's ``ImageOps.equalize``."""
    levels = (x * _WHITE).round_().long().flatten(2)
    rows = levels.flatten(0, 1)
    places = rows + 256 * torch.arange(len(rows), device=x.device)[:, None]
    counts = torch.zeros(len(rows) * 256, device=x.device, dtype=torch.int64)
    counts.scatter_add_(0, places.flatten(), torch.ones_like(places).flatten())
    counts = counts.view(*levels.shape[:2], 256)
    below = counts.cumsum(-1)
    brightest = counts.gather(-1, below.argmax(-1, keepdim=True))  # the first at which all are
    step = (levels.shape[-1] - brightest) // 255
    table = (below - counts + step // 2).div(step.clamp(min=1), rounding_mode="floor")
    found = table.clamp_(0, _WHITE).gather(-1, levels).view_as(x).float().div_(_WHITE)
    return torch.where(step[..., None] == 0, x, found)


def invert(x: Tensor, magnitudes: Tensor) -> Tensor:
    """Return the negative."""
    return 1 - x


WARPS: tuple[Callable[[Tensor, int], Tensor], ...] = (
    shear_x, shear_y, translate_x, translate_y, rotate,
)  # fmt: skip
CHANGES: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    identity, brightness, color, contrast, sharpness, posterize, solarize, autocontrast, equalize,
    invert,
)  # fmt: skip
OPERATIONS = tuple(one.__name__.replace("_", "-") for one in (*WARPS, *CHANGES))
"""The names of all operations, in the order of their numbers."""
IDENTITY = OPERATIONS.index("identity")


def apply(x: Tensor, operations: Tensor, magnitudes: Tensor) -> Tensor:
    """Apply to each image its operations, one after the other.

    Which images drew an operation is known on the device alone. On the CPU every operation looks
    only at those; elsewhere each looks at all images, and changes the ones that drew it, for to
    read the draws would wait for the device.

    Args:
        x: floats 0…1, (N, C, side, side), which stay as they are.
        operations: their numbers (:data:`OPERATIONS`), (N, operations an image), int64.
        magnitudes: of the operations, in what each is measured in, of the same shape.
    """
    each = one_by_one if x.device.type == "cpu" else at_once
    for drawn, strengths in zip(operations.T, magnitudes.T, strict=True):
        x = each(x, drawn, strengths)
    return x


def at_once(x: Tensor, drawn: Tensor, magnitudes: Tensor) -> Tensor:
    """Apply one operation an image, every operation to all images, on any device.

    Args:
        x: floats 0…1, (N, C, side, side).
        drawn, magnitudes: the operation of each image and its magnitude, (N,).
    """
    side = x.shape[-1]
    matrices = _matrices(magnitudes, (1, 0, 0), (0, 1, 0))
    for number, warp in enumerate(WARPS):
        matrices = torch.where(_each(drawn == number)[..., 0], warp(magnitudes, side), matrices)
    found = torch.where(_each(drawn < len(WARPS)), moved(x, matrices), x)
    for number, change in enumerate(CHANGES, len(WARPS)):
        if number != IDENTITY:
            found = torch.where(_each(drawn == number), change(x, magnitudes), found)
    return found


def one_by_one(x: Tensor, drawn: Tensor, magnitudes: Tensor) -> Tensor:
    """Do the same, every operation to the images that drew it; it waits for the device."""
    x = x.clone()
    drew: dict[int, list[int]] = {}
    for image, number in enumerate(drawn.tolist()):
        drew.setdefault(number, []).append(image)
    drew.pop(IDENTITY, None)
    warped = {number: drew.pop(number) for number in list(drew) if number < len(WARPS)}
    if warped:
        _warp(x, warped, magnitudes)
    for number, images in drew.items():
        places = torch.tensor(images, device=x.device)
        change = CHANGES[number - len(WARPS)]
        x[places] = change(x[places], magnitudes[places])
    return x


def _warp(x: Tensor, drew: dict[int, list[int]], magnitudes: Tensor) -> None:
    """Shift, shear and rotate in place, all in one pass; ``drew`` holds images by operation."""
    side = x.shape[-1]
    places = torch.tensor([i for images in drew.values() for i in images], device=x.device)
    parts = torch.split(magnitudes[places], [len(images) for images in drew.values()])
    matrices = torch.cat([WARPS[k](part, side) for k, part in zip(drew, parts, strict=True)])
    x[places] = moved(x[places], matrices)


def moved(x: Tensor, matrices: Tensor) -> Tensor:
    """Return images whose pixels come from where their matrices lead, changing the matrices.

    Args:
        x: floats 0…1, (N, C, side, side).
        matrices: of a shift, shear or rotation, (N, 2, 3).
    """
    matrices[:, :, 2] *= 2 / x.shape[-1]  # the grid's image spans -1…1
    grid = F.affine_grid(matrices, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="nearest", align_corners=False)


def _matrices(like: Tensor, *rows: Sequence[Tensor | float]) -> Tensor:
    """Return matrices (N, 2, 3) of two rows, whose entries are numbers or one an image, (N,).

    They lead from where a pixel goes to where it comes from, in pixels from the image's centre.
    """
    cells = [
        [cell if isinstance(cell, Tensor) else torch.full_like(like, cell) for cell in row]
        for row in rows
    ]
    return torch.stack([torch.stack(row, -1) for row in cells], -2)


def _blended(x: Tensor, other: Tensor, magnitudes: Tensor) -> Tensor:
    """Return ``x`` moved away from another image, or towards it where magnitudes are below 0."""
    factor = _factor(magnitudes)
    return (x * factor).add_(other * (1 - factor)).clamp_(0, 1)


def _factor(magnitudes: Tensor) -> Tensor:
    return _each(1 + magnitudes)


def _each(values: Tensor) -> Tensor:
    """Return one value an image, (N,), so that it applies to its pixels."""
    return values.view(-1, 1, 1, 1)
