"""Reads the IDX files in which MNIST and data sets in its place are published."""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ltbench.api import open_file

LARGEST = 1 << 27
"""Bytes that a file may unpack to; the largest of MNIST has 47 MB."""
FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
"""The files of images and of labels, as published, by part."""


def find_file(folders: list[Path], name: str) -> Path | None:
    """Return the first such file, as published or decompressed; ``None`` where there is none."""
    names = (name, name.removesuffix(".gz"))
    return next((p / n for p in folders for n in names if (p / n).is_file()), None)


def read_idx(path: Path, sha256: str = "") -> NDArray[np.uint8]:
    """Return what an IDX file of unsigned bytes holds (http://yann.lecun.com/exdb/mnist).

    Args:
        path: the file; one that ends in ``.gz`` is decompressed.
        sha256: of the file when decompressed, where it is known. How it was compressed does not
            matter: Debian's package has the published arrays in other archives.

    Raises:
        ValueError: it is no such file, or another one than was to be read.
        OSError, EOFError: it cannot be read or decompressed.
    """
    with open_file(path) as plain, gzip.open(plain) if path.suffix == ".gz" else plain as file:
        try:
            content = file.read(LARGEST + 1)
        except zlib.error as error:  # which is neither of those that gzip says it raises
            raise ValueError(f"it cannot be decompressed: {error}") from error
    if len(content) > LARGEST:  # a small file may unpack to more than the memory holds
        raise ValueError(f"it holds more than {LARGEST} bytes")
    start = 4 + 4 * content[3] if len(content) > 3 else 4
    if content[:3] != b"\0\0\x08" or len(content) < start:
        raise ValueError("it is no IDX file of bytes")
    shape = tuple(int(n) for n in np.frombuffer(content[4:start], dtype=">u4"))
    if math.prod(shape) != len(content) - start:
        raise ValueError(
            f"it holds {len(content) - start} bytes where it says "
            f"{'×'.join(map(str, shape))} = {math.prod(shape)}"
        )
    if sha256 and (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise ValueError(f"its content has the sha256 {found} instead of {sha256}")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
