"""How a network sees images when it is evaluated: whole and squeezed, or their centre crop.

Stored are squares to which the originals were squeezed, with the originals' sizes. The centre crop
of an original is a rectangle of its square, so that it is cut and resized in one step: as what
``Resize`` and ``CenterCrop`` of torchvision give, short of the detail that squeezing took from the
longer side. Resizing is separable, and images of one shape share its two matrices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ltbench.plugins.augmentation import plain
from ltbench.plugins.preprocessing import CROP

_KEYS = -0.5  # of the cubic, as Pillow and torch's antialiased resize have it


@dataclass(frozen=True)
class EvaluationTransform:
    """Makes of stored squares what the network is evaluated on.

    Attributes:
        side: of what it sees, in pixels.
        crop: share of the shorter side that the centre crop keeps; ``None`` squeezes whole images.
        interpolation: ``bilinear``, ``bicubic`` or ``nearest``; the first two with antialiasing.
    """

    side: int
    crop: float | None = None
    interpolation: str = "bilinear"

    def __call__(self, images: Tensor, sizes: Tensor) -> Tensor:
        """Return images scaled to 0…1, (N, channels, side, side).

        Args:
            images: stored squares, (N, channels, S, S) uint8.
            sizes: height and width of the originals in pixels, (N, 2).
        """
        if self.crop is None:
            return plain(images, self.side, self.interpolation)
        shapes, which = torch.unique(sizes, dim=0, return_inverse=True)
        out = images.new_empty((*images.shape[:2], self.side, self.side), dtype=torch.float32)
        for number, (height, width) in enumerate(shapes.tolist()):
            rows = (which == number).nonzero()[:, 0]
            out[rows] = self._cropped(images[rows], height, width)
        return out.div_(255)

    def _cropped(self, images: Tensor, height: int, width: int) -> Tensor:
        """Return the centre crop of images of one shape, in grey levels."""
        stored, device = images.shape[-1], images.device
        down, across = (
            centre_weights(stored, length, self.side, self.interpolation).to(device)
            for length in self.resized(height, width)
        )
        # One image after another stays in the processor's cache.
        parts = torch.split(images, 1) if device.type == "cpu" else (images,)
        return torch.cat([_levels(down @ _levels(part.float() @ across.T)) for part in parts])

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of an image after ``Resize``, before the crop is cut."""
        shorter = math.floor(self.side / (self.crop or CROP))
        longer = int(shorter * max(height, width) / max(1, min(height, width)))
        return (longer, shorter) if height > width else (shorter, longer)


def _levels(sums: Tensor) -> Tensor:
    """Round to whole grey levels, as Pillow does after each axis; a cubic overshoots at edges."""
    return sums.add_(0.5).floor_().clamp_(0, 255)


@lru_cache(maxsize=256)
def centre_weights(stored: int, resized: int, side: int, interpolation: str) -> Tensor:
    """Return what makes of a line of pixels the middle of the resized line.

    As Pillow computes them: below a triangle or a cubic that is as wide as an output pixel where
    the line gets shorter, which is antialiasing.

    Args:
        stored: pixels of the line.
        resized: pixels that the whole line is resized to.
        side: pixels of its middle, at most ``resized``.
        interpolation: ``bilinear``, ``bicubic`` or ``nearest``.

    Returns:
        Weights of input pixels for output pixels, (side, stored), each row with the sum 1.
    """
    first = round((resized - side) / 2)
    scale = stored / resized
    centres = (torch.arange(side, dtype=torch.float64)[:, None] + first + 0.5) * scale
    middles = torch.arange(stored, dtype=torch.float64) + 0.5
    if interpolation == "nearest":
        return (centres.floor().clamp(max=stored - 1) == middles.floor()).float()
    x = (middles - centres).abs() / max(scale, 1.0)
    weights = _cubic(x) if interpolation == "bicubic" else (1 - x).clamp(min=0)
    return (weights / weights.sum(1, keepdim=True)).float()


def _cubic(x: Tensor) -> Tensor:
    """Return the cubic convolution kernel (Keys, 1981) at distances ``x`` of at least 0."""
    near = ((_KEYS + 2) * x - (_KEYS + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * _KEYS
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
