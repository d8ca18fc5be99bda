"""A split: one flat table that says which image is used for what."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PARTS = ("train", "val", "test")
UNUSED = -1
"""The part of images that a setting leaves out: they neither train, validate nor test."""
_NAMES = np.array([*PARTS, "unused"])  # so that UNUSED finds the last
SLAB = 1 << 16  # rows turned into text at a time, so that memory stays flat


@dataclass(frozen=True)
class SplitOrigin:
    """Where a split is from: the official one of a benchmark, or another in its place.

    Attributes:
        words: a few, for headings: "official split", "split by rule".
        detail: the file, or what is not there with where to get it and where to put it.
    """

    words: str
    detail: str

    def __str__(self) -> str:
        return f"{self.words}: {self.detail}"


@dataclass(frozen=True)
class Split:
    """The images of a data set, one row each.

    Attributes:
        images: names that say which image it is (a relative path, say), (N,).
        y: class indices, (N,).
        d: domain indices, (N,).
        part: index into :data:`PARTS`, (N,), or -1 of images that are in none of them.
        shape: number of domains and classes, (D, C).
        held_out: how many domains, the last ones, are kept from training: algorithms know the
            others alone.
    """

    images: NDArray[np.str_]
    y: NDArray[np.int64]
    d: NDArray[np.int64]
    part: NDArray[np.int64]
    shape: tuple[int, int]
    held_out: int = 0

    @classmethod
    def from_rows(cls, rows: Sequence[tuple[str, int, int, str]], shape: tuple[int, int]) -> Split:
        """Build from ``(image, class, domain, part name)`` rows."""
        images, y, d, parts = zip(*rows, strict=True) if rows else ((), (), (), ())
        return cls(
            np.array(images, dtype=np.str_),
            np.array(y, dtype=np.int64),
            np.array(d, dtype=np.int64),
            np.array([PARTS.index(part) for part in parts], dtype=np.int64),
            shape,
        )

    @classmethod
    def load(cls, path: Path) -> Split:
        """Read a table that :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            columns = {name: arrays[name] for name in ("images", "y", "d", "part")}
            domains, classes = arrays["shape"]
            shape, held_out = (int(domains), int(classes)), int(arrays["held_out"])
            return cls(**columns, shape=shape, held_out=held_out)

    def save(self, path: Path) -> None:
        """Write the table as a ``.npz``."""
        columns = {name: getattr(self, name) for name in ("images", "y", "d", "part")}
        sizes = {"shape": np.array(self.shape), "held_out": np.array(self.held_out)}
        np.savez(path, allow_pickle=False, **sizes, **columns)

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, part: str) -> NDArray[np.int64]:
        """Return the row numbers of ``train``, ``val`` or ``test``, ascending."""
        return np.flatnonzero(self.part == PARTS.index(part))

    def counts(self, part: str) -> NDArray[np.int64]:
        """Return the images per domain and class of one part, (D, C)."""
        rows = self.rows(part)
        counts = np.zeros(self.shape, dtype=np.int64)
        np.add.at(counts, (self.d[rows], self.y[rows]), 1)
        return counts

    def shot_counts(self) -> NDArray[np.int64]:
        """Return the training images by which the shots of pairs are told, (D, C).

        A pair has its own; one of a domain that is kept from training those of its class in all
        training domains together.
        """
        counts = self.counts("train")
        if self.held_out:
            counts[-self.held_out :] = counts.sum(axis=0)
        return counts

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the table, the same on every machine."""
        digest = hashlib.sha256()
        for start in range(0, len(self), SLAB):
            rows = slice(start, start + SLAB)
            columns = (self.images[rows], self.y[rows], self.d[rows], _NAMES[self.part[rows]])
            lines = zip(*(column.tolist() for column in columns), strict=True)
            digest.update("".join([f"{i}\t{y}\t{d}\t{p}\n" for i, y, d, p in lines]).encode())
        return digest.hexdigest()
