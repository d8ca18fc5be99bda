"""The files of a store of decoded images, with the checksums by which damage is noticed.

``checksums.json`` holds size and CRC-32 of the small files and the shape of the images;
``rows.npy`` the CRC-32 of every image, which is compared when a process first reads that image. So
a store opens as fast as without, and pays a tenth of a millisecond for each of its images once.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ltbench.errors import UsageError
from ltbench.plugins.split import Split

IMAGES, SIZES, SPLIT, ROWS = "images.npy", "sizes.npy", "split.npz", "rows.npy"
CHECKSUMS = "checksums.json"
_SMALL = (SIZES, SPLIT, ROWS)
_LOST = frozenset((errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO))


class DamagedStore(Exception):
    """A store is not as it was written; the message says which file of it."""


@dataclass(frozen=True)
class ImageStore:
    """Decoded images, row by row as in the split.

    Attributes:
        split: the table.
        images: (N, channels, S, S) uint8, memory-mapped.
        sizes: original height and width in pixels, (N, 2).
        checksums: CRC-32 of every image, (N,), where they are known.
        folder: where the store lies, if on the disk.
    """

    split: Split
    images: NDArray[np.uint8]
    sizes: NDArray[np.int32]
    checksums: NDArray[np.uint32] | None = None
    folder: Path | None = None
    _seen: NDArray[np.bool_] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_seen", np.zeros(len(self.images), dtype=np.bool_))

    @classmethod
    def load(cls, folder: Path) -> ImageStore:
        """Open a finished store.

        Images are compared with their checksums by :meth:`check`, where the store has any.

        Raises:
            DamagedStore: a file is missing, cut off or changed.
            UsageError: a file cannot be read for another reason: its permissions, say.
        """
        # What was not written with checksums is opened as it is.
        known = (folder / CHECKSUMS).exists()
        shape = checked_shape(folder) if known else None
        with _damage(folder):
            split = Split.load(folder / SPLIT)
            # Read-only: a writable mapping counts against the memory, however large the file.
            images = np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False)
            sizes = np.load(folder / SIZES, allow_pickle=False)
            rows = np.load(folder / ROWS, allow_pickle=False) if known else None
        fits = images.dtype == np.uint8 and images.flags.c_contiguous
        if not fits or (known and images.shape != shape):
            raise DamagedStore(f"{folder / IMAGES} does not hold what was written")
        return cls(split, images, sizes, rows, folder)

    def check(self, rows: NDArray[np.int64]) -> None:
        """Compare images with their checksums, each the first time that it is asked for.

        Args:
            rows: of the images, in any order and more than once perhaps.

        Raises:
            DamagedStore: an image is not as it was written.
        """
        if self.checksums is None or self._seen[rows].all():
            return
        for row in np.unique(rows[~self._seen[rows]]).tolist():
            if zlib.crc32(self.images[row].data) != self.checksums[row]:
                raise DamagedStore(f"{self.folder}: image {row} is not as it was written")
            self._seen[row] = True


def write_small_files(
    folder: Path,
    split: Split,
    sizes: NDArray[np.int32],
    checksums: NDArray[np.uint32],
    shape: tuple[int, ...],
) -> None:
    """Write all but the images of a store, of which the shape and checksums are given."""
    np.save(folder / ROWS, checksums)
    np.save(folder / SIZES, sizes)
    split.save(folder / SPLIT)
    files = {name: _size_and_checksum(folder / name) for name in _SMALL}
    text = json.dumps({"images": list(shape), "files": files})
    (folder / CHECKSUMS).write_text(text, encoding="utf-8")


def checked_shape(folder: Path) -> tuple[int, ...]:
    """Return the shape of the images, once the other files are seen to be as they were written.

    Raises:
        DamagedStore: one is not, or the images have fewer bytes than they should.
        UsageError: a file cannot be read for another reason.
    """
    with _damage(folder):
        content = json.loads((folder / CHECKSUMS).read_bytes())
        shape = tuple(map(int, content["images"]))
        for name in _SMALL:
            if _size_and_checksum(folder / name) != content["files"][name]:
                raise DamagedStore(f"{folder / name} is not as it was written")
        if (folder / IMAGES).stat().st_size < math.prod(shape):
            raise DamagedStore(f"{folder / IMAGES} is cut off")
    return shape


@contextlib.contextmanager
def _damage(folder: Path) -> Iterator[None]:
    """Tell a store that is damaged from one that this process may not read, or has no room for."""
    try:
        yield
    except (DamagedStore, MemoryError):
        raise
    except OSError as error:
        if error.errno not in _LOST:
            raise UsageError(
                f"the decoded images in {folder} cannot be read: {error.strerror or error}; mend "
                "that, or set LTBENCH_CACHE to another folder"
            ) from error
        raise DamagedStore(f"{error.filename or folder}: {error.strerror}") from error
    except Exception as error:  # readers of arrays raise what they please
        raise DamagedStore(f"{folder} does not hold what was written: {error}") from error


def _size_and_checksum(path: Path) -> list[int]:
    checksum, size = 0, 0
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            checksum, size = zlib.crc32(block, checksum), size + len(block)
    return [size, checksum]
