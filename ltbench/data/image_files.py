"""Reading image files of any common kind, with errors that name the file."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

try:
    from PIL.AvifImagePlugin import SUPPORTED as AVIF
except ImportError:  # of a Pillow that is older
    AVIF = False

from ltbench.data.depth import check_high_bytes, has_16_bits, to_8_bits
from ltbench.data.library_messages import about
from ltbench.errors import DataError
from ltbench.regular_files import open_file

IMAGE_SUFFIXES = frozenset(
    {
        *("jpg", "jpeg", "jpe", "jfif", "png", "bmp", "gif", "tif", "tiff", "webp"),
        *("ppm", "pgm", "pbm", "pnm"),
        *(("avif",) if AVIF else ()),
    }
)
"""How the names of image files end, in small letters and without the dot."""

# By content, not by name. Pillow would try more, of which one starts Ghostscript on what is in it.
_FORMATS = ("JPEG", "MPO", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "AVIF")

SLAB = 1 << 14
_HEAD = 12  # bytes by which a kind of image is told
NAMED = 1000  # files that are missing and named one by one


def _suffix_of(name: str) -> str:
    """Return what follows the last dot of a file's name, in small letters; of hidden files ''."""
    stem, _, suffix = name.rpartition(".")
    return suffix.lower() if stem[:1] not in ("", ".") else ""


def is_image(path: Path | str) -> bool:
    """Return whether a file's name says that it is an image, hidden files excepted.

    Args:
        path: a file's path or its name alone; the file is not looked at.
    """
    return _suffix_of(os.path.basename(path)) in IMAGE_SUFFIXES


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
        for name in sorted(n for n in os.listdir(folder) if _suffix_of(n) in IMAGE_SUFFIXES):
            status = os.stat(place + name)
            if not stat.S_ISDIR(status.st_mode):
                names.append(name)
                stamps.append((status.st_size, _changed_ns(status)))
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
    reduced to 8 by its high byte, transparency is laid over white. What has fewer bits in 16, or
    other numbers, is scaled by what the file says of its range.

    Args:
        path: the file.
        channels: 3 for colour, 1 for grey.

    Raises:
        DataError: the file is missing, empty, truncated, no image, or does not say which value is
            white; the message names it.
    """
    with about(path) as messages:
        try:
            with open_file(path) as file:
                pixels = _pixels(file, channels)
        except Exception as error:  # decoders raise what they please on hostile files
            causes = "; ".join((_cause(lambda: _head(path), error), *messages))
            messages.clear()
            raise DataError(f"the image {path} cannot be read: {causes}") from error
    return pixels


def decode_image(content: bytes, name: str, channels: int) -> NDArray[np.uint8]:
    """Decode an image that lies within another file, as :func:`read_image` does one of its own.

    Args:
        content: the bytes of an image file.
        name: what messages call it: the file it lies in, and where.
        channels: 3 for colour, 1 for grey.

    Raises:
        DataError: it is empty, truncated, no image, or does not say which value is white.
    """
    with about(name) as messages:
        try:
            pixels = _pixels(io.BytesIO(content), channels)
        except Exception as error:
            causes = "; ".join((_cause(lambda: content[:_HEAD], error), *messages))
            messages.clear()
            raise DataError(f"the image {name} cannot be read: {causes}") from error
    return pixels


def _pixels(file: IO[bytes], channels: int) -> NDArray[np.uint8]:
    with Image.open(file, formats=_known_formats()) as image:
        return pixels_of(image, channels)


def pixels_of(image: Image.Image, channels: int) -> NDArray[np.uint8]:
    """Return the pixels of an opened image, (H, W, channels), as :func:`read_image` of a file.

    Args:
        image: of Pillow; it is loaded.
        channels: 3 for colour, 1 for grey.

    Raises:
        ValueError: it does not say which value is white.
        OSError: its file cannot be decoded.
    """
    deep = has_16_bits(image)
    image.load()
    if deep:
        check_high_bytes(image)
    pixels = np.asarray(_to_mode(image, "RGB" if channels == 3 else "L"))
    return pixels.reshape(*pixels.shape[:2], channels)


@cache
def _known_formats() -> tuple[str, ...]:
    """Return those of the formats that this Pillow can read."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def absent_files(base: Path, names: Iterable[str]) -> list[str]:
    """Return one sentence per file below ``base`` that is not there, or is no file.

    Of many the first are named and the others counted. Every file is looked at, through links.

    Args:
        base: a folder.
        names: paths relative to it.
    """
    lines, count = [], 0
    for name in names:
        path = base / name
        try:
            cause = "" if stat.S_ISREG(path.stat().st_mode) else "is no regular file"
        except OSError as error:
            gone = isinstance(error, FileNotFoundError)
            cause = "is missing" if gone else f"cannot be read: {error.strerror}"
            if gone and path.is_symlink():
                cause = f"is a link to {os.readlink(path)}, which is missing"
        if cause:
            count += 1
            if count <= NAMED:
                lines.append(f"{path} {cause}")
    return [*lines, *([f"{count - NAMED} more images are missing"] if count > NAMED else [])]


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
    root = f"{base}{os.sep}"
    return stamps_fingerprint(
        (path.removeprefix(root), size, time)
        for path, size, time in stamped(root + name for name in names)
    )


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


def stamped(files: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """Yield each file with its size in bytes and the time of its last change in nanoseconds.

    Raises:
        DataError: a file is not there.
    """
    for name in files:
        try:
            status = os.stat(name)
        except OSError as error:
            raise DataError(f"the image {name} cannot be read: {error.strerror}") from error
        yield name, status.st_size, _changed_ns(status)


def _changed_ns(status: os.stat_result) -> int:
    """Return when a file was changed, in nanoseconds: a time that nobody can set back.

    Windows has none such, and calls by its name the time at which the file was made.
    """
    return status.st_mtime_ns if os.name == "nt" else status.st_ctime_ns


# How files begin that are images of a kind that is not read, or of a pixel that is not.
_UNREAD = (
    (slice(4, 12), (b"ftypheic", b"ftypheix", b"ftypheim", b"ftyphevc", b"ftypmif1"), "HEIC"),
    (slice(4, 12), (b"ftypavif", b"ftypavis"), "AVIF"),
    (slice(4, 12), (b"ftypcrx ",), "CR3"),
    (slice(0, 4), (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "a TIFF of other pixels"),
    (slice(0, 12), (b"\0\0\0\x0cjP  \r\n\x87\n",), "JPEG 2000"),
    (slice(0, 12), (b"\0\0\0\x0cJXL \r\n\x87\n",), "JPEG XL"),
    (slice(0, 2), (b"\xff\x0a",), "JPEG XL"),
    (slice(0, 4), (b"8BPS",), "Photoshop"),
    (slice(0, 4), (b"%!PS", b"\xc5\xd0\xd3\xc6"), "PostScript"),
    (slice(0, 4), (b"%PDF",), "PDF"),
    (slice(0, 4), (b"<svg",), "SVG"),
)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)


def _cause(beginning: Callable[[], bytes], error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        head = beginning()
        for place, beginnings, kind in _UNREAD:
            if head[place] in beginnings:
                return f"it is no image of a known kind but {kind}: convert it to JPEG or PNG"
        return "it is no image of a known kind" if head else "it is empty"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    upright = to_8_bits(_upright(image), image)
    if upright.mode in ("LA", "PA", "RGBA") or "transparency" in upright.info:
        opaque = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(opaque, upright.convert("RGBA"))
    return upright.convert(mode)


# By the number of the orientation, what makes an image upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112


def _upright(image: Image.Image) -> Image.Image:
    """Return a decoded image as the camera held it; without a tag that says so, as it is.

    Pillow's own ``exif_transpose`` writes the other tags anew, and fails where one of them is not
    as the standard has it, however well the pixels can be read.
    """
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # on a broken block the reader raises what it pleases
        return image
    return image if turn is None else image.transpose(turn)
