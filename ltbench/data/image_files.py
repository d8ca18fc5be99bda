"""Reading image files of any common kind, with errors that name the file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ltbench.errors import DataError

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
)

SLAB = 1 << 14


def is_image(path: Path) -> bool:
    """Return whether a file's name says that it is an image, hidden files excepted."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def read_image(path: Path, channels: int) -> NDArray[np.uint8]:
    """Decode an image file to (H, W, channels) uint8.

    The camera's orientation is applied, an animation gives its first frame, 16-bit depth is
    reduced to 8 by its high byte, transparency is laid over white.

    Raises:
        DataError: the file is missing, empty, truncated or no image; the message names it.
    """
    try:
        with Image.open(path) as image:
            image.load()
            pixels = np.asarray(_to_mode(image, "RGB" if channels == 3 else "L"))
    except Exception as error:  # decoders raise what they please on hostile files
        raise DataError(f"the image {path} cannot be read: {_cause(path, error)}") from error
    return pixels.reshape(*pixels.shape[:2], channels)


def files_fingerprint(base: Path, names: Iterable[str]) -> str:
    """Return a hash over names, sizes and modification times of files below ``base``.

    Raises:
        DataError: a file is not there.
    """
    digest, lines, root = hashlib.sha256(), [], f"{base}{os.sep}"
    for name in names:
        try:
            status = os.stat(root + name)
        except OSError as error:
            raise DataError(f"the image {root}{name} cannot be read: {error.strerror}") from error
        lines.append(f"{name}\t{status.st_size}\t{status.st_mtime_ns}\n")
        if len(lines) == SLAB:
            digest.update("".join(lines).encode())
            lines.clear()
    digest.update("".join(lines).encode())
    return digest.hexdigest()


def _cause(path: Path, error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is empty" if not path.stat().st_size else "it is no image of a known kind"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("I;16", "I;16B", "I;16L", "I"):
        high = np.asarray(upright).astype(np.int64) >> 8
        upright = Image.fromarray(high.clip(0, 255).astype(np.uint8))
    if upright.mode in ("LA", "PA", "RGBA") or "transparency" in upright.info:
        opaque = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(opaque, upright.convert("RGBA"))
    return upright.convert(mode)
