"""Reads arrays of numbers from MATLAB files of level 5, the format in which SVHN is published.

Every length is compared with what is there. SciPy's reader trusts some of them: a changed file ends
the process.
"""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 1 << 29  # bytes that an array may have; SVHN's largest has 225 MB
_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_ROOM_FOR_NAMES = 1 << 12
# How numbers are stored, and what they stand for, by the format's numbers.
_STORED = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_CLASSES = {
    6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8",
}  # fmt: skip


def read_arrays(content: bytes, names: Collection[str]) -> dict[str, NDArray[Any]]:
    """Return those arrays of real numbers that have one of some names.

    Args:
        content: of a MATLAB file of level 5, compressed or not.
        names: of the arrays; others are passed over.

    Raises:
        ValueError: it is no such file, is broken, or an array of these names is of another kind.
    """
    if len(content) < _HEADER or content[126:128] not in (b"IM", b"MI"):
        raise ValueError("it is no MATLAB file of level 5")
    order = "<" if content[126:128] == b"IM" else ">"
    found: dict[str, NDArray[Any]] = {}
    for kind, body in _elements(memoryview(content)[_HEADER:], order):
        if kind == _COMPRESSED:
            found |= _compressed(body, order, names)
        elif kind == _MATRIX:
            found |= _matrix(body, order, names)
    return found


def _compressed(body: memoryview, order: str, names: Collection[str]) -> dict[str, NDArray[Any]]:
    """Read an array that is compressed: its beginning first, to see whether it is wanted."""
    try:
        start = zlib.decompressobj().decompress(body, _ROOM_FOR_NAMES)
        size = struct.unpack(f"{order}2I", start[:8])[1] + 8
        if _name(memoryview(start)[8:], order) not in names or size > LARGEST:
            return {}
        whole = zlib.decompressobj().decompress(body, size)
    except (zlib.error, struct.error) as error:
        raise ValueError(f"an array cannot be unpacked ({error})") from error
    return next((_matrix(b, order, names) for k, b in _elements(whole, order) if k == _MATRIX), {})


def _matrix(body: memoryview, order: str, names: Collection[str]) -> dict[str, NDArray[Any]]:
    name = _name(body, order)
    if name not in names:
        return {}
    (_, flags), (_, sides), _, (stored, values) = _parts(body, order, 4)
    kind, complex_ = flags[0 if order == "<" else 3], flags[1 if order == "<" else 2] & 8
    if kind not in _CLASSES or complex_ or stored not in _STORED or len(sides) % 4:
        raise ValueError(f"'{name}' is no array of real numbers")
    shape = np.frombuffer(sides, f"{order}i4").tolist()
    dtype = np.dtype(order + _STORED[stored])
    if not 1 <= len(shape) <= 8 or min(shape) < 0:
        raise ValueError(f"'{name}' has a shape that cannot be")
    if math.prod(shape) * dtype.itemsize != len(values):
        raise ValueError(f"the numbers of '{name}' do not fill its shape")
    array = np.frombuffer(values, dtype).reshape(shape, order="F")
    return {name: array.astype(_CLASSES[kind], copy=False)}


def _name(body: memoryview, order: str) -> str:
    *_, (_, text) = _parts(body, order, 3)
    return bytes(text[:64]).decode("latin1")


def _parts(body: memoryview, order: str, count: int) -> list[tuple[int, memoryview]]:
    """Return the first parts of an array: flags, dimensions, name, numbers."""
    parts = list(itertools.islice(_elements(body, order), count))
    if len(parts) < count or len(parts[0][1]) < 4:
        raise ValueError("an array is cut off")
    return parts


def _elements(content: memoryview | bytes, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yield kind and content of every element; a small one lies within its own tag."""
    content, place = memoryview(content), 0
    while place + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}2I", content, place)
        start, following = place + 8, place + 8 + size
        if kind >> 16:
            kind, size, start, following = kind & 0xFFFF, kind >> 16, place + 4, place + 8
            if size > 4:
                raise ValueError("a small element is too large")
        elif kind != _COMPRESSED:
            following += -size % 8
        if start + size > len(content):
            raise ValueError("an element is cut off")
        yield kind, content[start : start + size]
        place = following
