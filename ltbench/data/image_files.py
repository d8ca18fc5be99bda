"""Reading image files of any common kind, with errors that name the file."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ltbench.errors import DataError

SUFFIXES = frozenset(
    {
        *("jpg", "jpeg", "jpe", "jfif", "png", "bmp", "gif", "tif", "tiff", "webp"),
        *("ppm", "pgm", "pbm", "pnm"),
    }
)

# By content, not by name. Pillow would try more, of which one starts Ghostscript on what is in it.
_FORMATS = ("JPEG", "MPO", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "AVIF")

SLAB = 1 << 14


def _suffix_of(name: str) -> str:
    """Return what follows the last dot of a file's name, in small letters; of hidden files ''."""
    stem, _, suffix = name.rpartition(".")
    return suffix.lower() if stem[:1] not in ("", ".") else ""


def is_image(path: Path | str) -> bool:
    """Return whether a file's name says that it is an image, hidden files excepted.

    Args:
        path: a file's path or its name alone; the file is not looked at.
    """
    return _suffix_of(os.path.basename(path)) in SUFFIXES


@dataclass(frozen=True)
class FolderImages:
    """The images of one folder.

    Attributes:
        names: file names, sorted.
        stamps: size in bytes and time of the last change in nanoseconds of each, (N, 2).
    """

    names: list[str]
    stamps: NDArray[np.int64]


def folder_images(folder: Path) -> FolderImages:
    """Return the images that lie directly in a folder.

    Half a million are listed so in about three seconds, two thirds of them the file system's.

    Raises:
        DataError: the folder or a file in it cannot be read, or a name is no text.
    """
    names, stamps, place = [], [], f"{folder}{os.sep}"
    try:
        for name in sorted(n for n in os.listdir(folder) if _suffix_of(n) in SUFFIXES):
            status = os.stat(place + name)
            if not stat.S_ISDIR(status.st_mode):
                names.append(name)
                stamps.append((status.st_size, status.st_ctime_ns))
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
    check_names(folder, names)
    return FolderImages(names, np.array(stamps, dtype=np.int64).reshape(-1, 2))


def check_names(folder: Path, names: Iterable[str]) -> None:
    """Refuse file names that are no text, which old systems leave behind.

    Args:
        folder: that the files lie in, for the message.
        names: of the files.

    Raises:
        DataError: there is such a name.
    """
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(
                f"the name {name!a} in {folder} is no text in UTF-8: rename it"
            ) from None


def read_image(path: Path, channels: int) -> NDArray[np.uint8]:
    """Decode an image file to (H, W, channels) uint8.

    The camera's orientation is applied, an animation gives its first frame, 16-bit depth is
    reduced to 8 by its high byte, transparency is laid over white.

    Args:
        path: the file.
        channels: 3 for colour, 1 for grey.

    Raises:
        DataError: the file is missing, empty, truncated or no image; the message names it.
    """
    try:
        with Image.open(path, formats=_known_formats()) as image:
            image.load()
            pixels = np.asarray(_to_mode(image, "RGB" if channels == 3 else "L"))
    except Exception as error:  # decoders raise what they please on hostile files
        raise DataError(f"the image {path} cannot be read: {_cause(path, error)}") from error
    return pixels.reshape(*pixels.shape[:2], channels)


@cache
def _known_formats() -> tuple[str, ...]:
    """Return those of the formats that this Pillow can read."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def files_fingerprint(base: Path, names: Iterable[str]) -> str:
    """Return a hash over names, sizes and times of the last change of files below ``base``.

    It is what :meth:`ltbench.api.Dataset.fingerprint` returns where images are files.

    Args:
        base: a folder.
        names: paths relative to it, in an order that is always the same.

    Returns:
        The SHA-256 as 64 hexadecimal digits.

    Raises:
        DataError: a file is not there.
    """
    return stamps_fingerprint(_stamped(f"{base}{os.sep}", names))


def stamps_fingerprint(stamped: Iterable[tuple[str, int, int]]) -> str:
    """Return the hash of :func:`files_fingerprint` over names, sizes and times that are known.

    Args:
        stamped: a path relative to the folder, the size in bytes and the time of the last change
            in nanoseconds of each file.
    """
    digest, lines = hashlib.sha256(), []
    for name, size, time in stamped:
        lines.append(f"{name}\t{size}\t{time}\n")
        if len(lines) == SLAB:
            digest.update("".join(lines).encode())
            lines.clear()
    digest.update("".join(lines).encode())
    return digest.hexdigest()


def _stamped(root: str, names: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    for name in names:
        try:
            status = os.stat(root + name)
        except OSError as error:
            raise DataError(f"the image {root}{name} cannot be read: {error.strerror}") from error
        yield name, status.st_size, status.st_ctime_ns  # nobody can set it back


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
