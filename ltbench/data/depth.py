"""Pixels of more than 8 bits become 8 bits by what their file says of black and white.

A photograph of 12 bits in 16 that is read as one of 16 bits is black, and floating-point numbers
have no white at all unless the file names it. Where it does not say its range, it is refused.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

DARK = 16  # a range of which no more than one part in so many is used turns black
_BITS, _PHOTOMETRIC, _FORMAT = 258, 262, 339
_LOW, _HIGH = (340, 280), (341, 281)  # SMinSampleValue and MinSampleValue, and the same of Max
_SIGNED, _FLOAT = 2, 3
_ADVICE = "save it with 8 bits, or with the tag SMaxSampleValue"


def has_16_bits(image: Image.Image) -> bool:
    """Return whether a file that is not loaded yet holds samples of 16 bits."""
    tiles: list[Any] = getattr(image, "tile", [])
    return any(";16" in str(tile[3]) for tile in tiles)


def check_high_bytes(image: Image.Image) -> None:
    """Refuse colours of 16 bits of which Pillow's high bytes hold nearly nothing.

    Args:
        image: loaded, from a file of 16 bits a sample.

    Raises:
        ValueError: it would be black, or of printing inks white.
    """
    if image.mode in _GREY:
        return
    _, high = _range(image)
    tops = [top for band, (_, top) in _extrema(image) if band != "A"]
    if max(tops) < 256 // DARK or (high is not None and high < 1 << 15):
        raise ValueError(
            "its colours have 16 bits a sample and use the lowest alone, so that it would turn "
            "black: save it with 8 bits"
        )


def to_8_bits(pixels: Image.Image, file: Image.Image) -> Image.Image:
    """Return an image of 8 bits; what has 8 already comes back as it is.

    Whole numbers without a sign are scaled by the bits that the file says, and what has tags of the
    lowest and highest value by these.

    Args:
        pixels: of the file, turned upright perhaps.
        file: as it was opened, with its tags.

    Raises:
        ValueError: the file does not say which value is white.
    """
    usual = (_FLOAT, 32) if pixels.mode == "F" else (1, 16)
    kind, bits = _tag(file, _FORMAT, usual[0]), int(_tag(file, _BITS, usual[1]))
    if pixels.mode not in _GREY:
        if kind == _SIGNED:
            raise ValueError(f"its pixels have a sign: {_ADVICE.partition(',')[0]}")
        return pixels
    values = np.asarray(pixels)
    if pixels.mode == "I" and bits == 32 and kind not in (_SIGNED, _FLOAT):
        values = values.view(np.uint32)
    levels = _levels(values, kind, bits, _range(file))
    if _tag(file, _PHOTOMETRIC, 1) == 0:  # white is the lowest; Pillow knows that of 8 bits alone
        levels = 255 - levels
    return Image.fromarray(levels)


_GREY = frozenset(("I;16", "I;16B", "I;16L", "I;16N", "I", "F"))


def _levels(
    values: NDArray[Any], kind: float, bits: int, given: tuple[float, float | None]
) -> NDArray[np.uint8]:
    """Return the 8-bit levels of samples of some format (TIFF's numbers) and number of bits."""
    lowest, highest = float(values.min()), float(values.max())
    what = f"its pixels are {_kind(kind)} of {bits} bits from {lowest:g} to {highest:g}"
    if not math.isfinite(lowest) or not math.isfinite(highest):
        raise ValueError(f"{what}, and not all are numbers")
    low, high = given
    if high is not None and high > low:
        if highest > high + (high - low) / 1000:
            raise ValueError(f"{what}, and its tags say {low:g} to {high:g}: {_ADVICE}")
        if (low, high) != (0, 65535) or kind in (_SIGNED, _FLOAT) or bits != 16:
            scaled = (values.astype(np.float64) - low) / (high - low)
            return (scaled.clip(0, 1) * 255).round().astype(np.uint8)
    bits -= kind == _SIGNED
    if kind == _FLOAT or lowest < 0 or 0 < highest < (1 << bits) / DARK:
        raise ValueError(f"{what}, and the file does not say which is white: {_ADVICE}")
    return (values.astype(np.int64) >> max(0, bits - 8)).clip(0, 255).astype(np.uint8)


def _kind(kind: float) -> str:
    names = {_SIGNED: "whole numbers with a sign", _FLOAT: "floating-point numbers"}
    return names.get(int(kind), "whole numbers")


def _range(file: Image.Image) -> tuple[float, float | None]:
    """Return the lowest and highest value that the tags name; ``None`` where they name none."""
    lows, highs = ([_tag(file, tag, math.nan) for tag in tags] for tags in (_LOW, _HIGH))
    low = next((value for value in lows if math.isfinite(value)), 0.0)
    return low, next((value for value in highs if math.isfinite(value)), None)


def _tag(file: Image.Image, tag: int, otherwise: float) -> float:
    """Return the first number of a TIFF's tag."""
    value = getattr(file, "tag_v2", {}).get(tag, otherwise)
    if isinstance(value, tuple):
        value = value[0] if value else otherwise
    try:
        return float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        raise ValueError(f"its tag {tag} is no number") from None


def _extrema(image: Image.Image) -> list[tuple[str, tuple[float, float]]]:
    """Return the name of each band with its lowest and highest value."""
    found: Any = image.getextrema()
    bands = image.getbands()
    return list(zip(bands, found if len(bands) > 1 else [found], strict=True))
