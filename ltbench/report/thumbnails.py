"""Small pictures for a page, as data addresses, in an amount of room."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ltbench.data.tested_images import TestedImages

SIDE = 112
"""Pixels of the longer side of a picture; smaller ones stay as they are."""
_QUALITY = 70
_OPAQUE = 0.65  # of the colours of a map where it is largest


@dataclass
class Thumbnails:
    """Pictures of test images, each made once, until the room is spent.

    Attributes:
        images: the test images.
        room: bytes that are left.
        maps: where a network found its answer, by image: what it saw with that laid over it,
            (H, W, 3).
        spent: whether a picture was left out for want of room.
    """

    images: TestedImages
    room: int
    maps: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)
    spent: bool = False
    _made: dict[tuple[int, bool], str] = field(default_factory=dict)

    def picture(self, image: int) -> str:
        """Return an image as a data address, empty where it cannot be had or has no room."""
        return self._address(image, mapped=False)

    def map(self, image: int) -> str:
        """Return the map of an image as a data address, empty where there is none."""
        return self._address(image, mapped=True) if image in self.maps else ""

    def _address(self, image: int, *, mapped: bool) -> str:
        key = (image, mapped)
        if key in self._made and len(self._made[key]) <= self.room:
            self.room -= len(self._made[key])  # it stands on the page once more
            return self._made[key]
        if self.room < SIDE * SIDE:
            self.spent = True
            return ""
        pixels = self.maps[image] if mapped else self.images.pixels(image)
        made = "" if pixels is None else address(pixels)
        self._made[key] = made
        self.room -= len(made)
        return made


def address(pixels: NDArray[np.uint8]) -> str:
    """Return pixels (H, W, 1 or 3) as the data address of a WebP of at most :data:`SIDE`."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "webp", quality=_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def overlaid(pixels: NDArray[np.uint8], strength: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return an image with a map laid over it, the stronger the less transparent.

    Args:
        pixels: (H, W, 1 or 3).
        strength: (h, w) in 0…1, enlarged to the image.
    """
    image = Image.fromarray((255 * np.clip(strength, 0, 1)).astype(np.uint8))
    height, width = pixels.shape[:2]
    enlarged = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC)) / 255
    colors = 255 * mpl.colormaps["inferno"](enlarged)[..., :3]
    share = _OPAQUE * enlarged[..., None] ** 0.5
    mixed = share * colors + (1 - share) * np.broadcast_to(pixels, (height, width, 3))
    blended: NDArray[np.uint8] = mixed.round().clip(0, 255).astype(np.uint8)
    return blended
