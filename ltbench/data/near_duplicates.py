"""Images that are nearly the same: rescaled, compressed again, slightly cropped, perhaps mirrored.

Two steps, both exact in what they look through. The low frequencies of every thumbnail, as in a
perceptual hash but not cut down to bits, are compared with those of all other images in question by
one matrix product, and the few nearest of each image are kept. These pairs are then laid over each
other, one a window of the other, and compared in more detail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.data.thumbnails import SIDE, blank, slabs

SAME = 0.95
"""Correlation of two laid-over images from which they are near-duplicates, in photographs."""
CERTAIN = 0.9995
"""Correlation from which two images are near-duplicates in any data."""

_COARSE, _FINE = 8, 12  # frequencies in each direction of the search, and of the comparison
_NEAR = 0.3  # correlation of coarse frequencies below which nothing is compared further
_NEAREST = 3  # images compared with each
_CLOSER = 8  # times as near as images of a kind usually are to their third nearest
_WINDOWS = (0.975, 0.95, 0.925, 0.9)  # share of a side that a crop keeps
_PLACES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a window, from one edge to the other
_ROWS, _COLUMNS, _PAIRS = 512, 1 << 14, 2048  # at a time, so that memory stays flat

Progress = Callable[[int, int], None]
"""Called with images compared and images in all."""


@dataclass(frozen=True)
class Pair:
    """Two rows of a split whose images are nearly the same.

    Attributes:
        first, second: the rows.
        likeness: correlation of the two laid over each other, -1…1.
        mirrored: whether one is the mirror image of the other.
    """

    first: int
    second: int
    likeness: float
    mirrored: bool = False


def near_duplicates(
    pixels: NDArray[np.uint8],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    apart: NDArray[np.int64] | None = None,
    *,
    kinds: NDArray[np.int64] | None = None,
    mirrored: bool = False,
    progress: Progress | None = None,
) -> list[Pair]:
    """Return the images of ``first`` that are nearly the same as one of ``second``, with that one.

    Each row of ``first`` is in one pair at most, that of the greatest likeness. Images of a single
    shade are like none. Two images have to be as alike as :data:`SAME` and, where all images of
    a data set are alike, as digits are, eight times as near as an image of its kind usually is to
    the third nearest.

    Args:
        pixels: thumbnails of all images, (N, 32, 32).
        first, second: rows that are compared, ascending. They may be the same.
        apart: a number for each image, (N,): only images whose numbers differ are compared.
        kinds: a number for each image, (N,), its class for one: the usual is that of its kind.
        mirrored: whether mirror images count.
        progress: is told how far the search is.
    """
    plain = ~blank(pixels)
    first, second = first[plain[first]], second[plain[second]]
    if not len(first) or not len(second):
        return []
    groups = np.arange(len(pixels)) if apart is None else apart
    pairs: list[Pair] = []
    least = np.full(len(first), SAME)
    for flip in (False, True) if mirrored else (False,):
        flipped = pixels[:, :, ::-1] if flip else pixels
        nearest = _nearest(
            coarse(pixels, first), coarse(flipped, second), groups[first], groups[second], progress
        )
        likeness = np.full(nearest.shape, _NEAR, dtype=np.float32)
        row, slot = np.nonzero(nearest >= 0)
        for some in slabs(len(row), _PAIRS):
            one, other = first[row[some]], second[nearest[row[some], slot[some]]]
            likeness[row[some], slot[some]] = laid_over(pixels[one], flipped[other])
        if not flip:
            least = _least(likeness.min(axis=1), None if kinds is None else kinds[first])
        best = likeness.argmax(axis=1)
        for i in np.flatnonzero(likeness.max(axis=1) >= least):
            j = nearest[i, best[i]]
            pairs.append(Pair(int(first[i]), int(second[j]), float(likeness[i, best[i]]), flip))
    return _best_of_each(pairs)


def _least(third: NDArray[np.float32], kinds: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Return how alike each image has to be to another, (N,).

    Args:
        third: likeness of each to its third nearest, (N,).
        kinds: a number for each, (N,): the usual is that of its kind, where that is nearer.
    """
    usual = np.full(len(third), np.median(third))
    for kind in () if kinds is None else np.unique(kinds):
        own = kinds == kind
        usual[own] = np.maximum(usual[own], np.median(third[own]))
    return np.minimum(np.maximum(SAME, 1 - (1 - usual) / _CLOSER), CERTAIN)


def _best_of_each(pairs: list[Pair]) -> list[Pair]:
    """Return one pair of each first image, and one alone of a pair that was found both ways."""
    best: dict[int, Pair] = {}
    for pair in sorted(pairs, key=lambda pair: -pair.likeness):
        there = best.get(pair.second)
        if pair.first not in best and not (there and there.second == pair.first):
            best[pair.first] = pair
    return [best[first] for first in sorted(best)]


def _nearest(
    ours: NDArray[np.float32],
    theirs: NDArray[np.float32],
    our_groups: NDArray[np.int64],
    their_groups: NDArray[np.int64],
    progress: Progress | None,
) -> NDArray[np.int64]:
    """Return which of ``theirs`` of other groups are nearest each of ours, (N, 3); -1 is none."""
    which = np.full((len(ours), _NEAREST), -1, dtype=np.int64)
    for rows in slabs(len(ours), _ROWS):
        near = np.full((rows.stop - rows.start, _NEAREST), _NEAR, dtype=np.float32)
        every = np.arange(len(near))
        for columns in slabs(len(theirs), _COLUMNS):
            alike = ours[rows] @ theirs[columns].T
            alike[our_groups[rows, None] == their_groups[None, columns]] = -1
            for _ in range(_NEAREST):
                place, least = alike.argmax(axis=1), near.argmin(axis=1)
                values = alike[every, place]
                better = np.flatnonzero(values > near[every, least])
                if not len(better):
                    break
                near[better, least[better]] = values[better]
                which[rows][better, least[better]] = columns.start + place[better]
                alike[better, place[better]] = -1
        if progress:
            progress(rows.stop, len(ours))
    return which


def coarse(pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the low frequencies of images but the mean, of length 1, (len(rows), 64)."""
    found = np.empty((len(rows), _COARSE**2), dtype=np.float32)
    basis = _frequencies(_COARSE)
    for some in slabs(len(rows), _PAIRS):
        found[some] = _unit(basis @ pixels[rows[some]].astype(np.float32) @ basis.T)
    return found


def laid_over(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return how alike pairs are where one is laid over the other as well as can be, (N,).

    Args:
        ours, theirs: thumbnails, (N, 32, 32).

    Returns:
        The greatest correlation over all windows of one in the other, -1…1.
    """
    basis, ours, theirs = _frequencies(_FINE), ours.astype(np.float32), theirs.astype(np.float32)
    whole, whole_theirs = _unit(basis @ ours @ basis.T), _unit(basis @ theirs @ basis.T)
    best = np.einsum("nk,nk->n", whole, whole_theirs)
    for share in _WINDOWS:
        placed = [basis @ _window(share, place) for place in _PLACES]
        for images, target in ((ours, whole_theirs), (theirs, whole)):
            for down in placed:
                half = down @ images
                for across in placed:
                    alike = np.einsum("nk,nk->n", _unit(half @ across.T), target)
                    best = np.maximum(best, alike)
    return best


def _unit(frequencies: NDArray[Any]) -> NDArray[np.float32]:
    """Return frequencies without the mean, weighed by how rare they are in photographs."""
    count = frequencies.shape[-1]
    weight = np.sqrt(np.hypot(*np.ogrid[:count, :count])).astype(np.float32)
    flat = (frequencies * weight).reshape(len(frequencies), -1)
    found: NDArray[np.float32] = flat / np.maximum(
        np.linalg.norm(flat, axis=1, keepdims=True), 1e-6
    )
    return found


def _frequencies(count: int) -> NDArray[np.float32]:
    """Return the first rows of the discrete cosine transform, (count, 32)."""
    place = (np.arange(SIDE) + 0.5) * np.pi / SIDE
    basis = np.cos(np.arange(count)[:, None] * place) * np.sqrt(2 / SIDE)
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


def _window(share: float, place: float) -> NDArray[np.float32]:
    """Return the matrix that enlarges a window of an image's side to the whole side, (32, 32)."""
    at = (np.arange(SIDE) + 0.5) * share + place * (1 - share) * SIDE - 0.5
    at = at.clip(0, SIDE - 1)
    low = np.minimum(at.astype(int), SIDE - 2)
    matrix = np.zeros((SIDE, SIDE), dtype=np.float32)
    matrix[np.arange(SIDE), low] = 1 - (at - low)
    matrix[np.arange(SIDE), low + 1] = at - low
    return matrix
