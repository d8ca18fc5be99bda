"""An order of the classes in which those that are taken for one another stand together."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import cophenet, leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_ORDERED = 1500
"""Classes up to which the leaves are ordered optimally, which takes the cube of their number."""


@dataclass(frozen=True)
class Seriation:
    """An order of the classes.

    Attributes:
        order: the classes, (C,).
        gaps: how far each is from the one before it in the tree, 0…1, (C - 1,).
    """

    order: IntArray
    gaps: FloatArray

    def groups(self, most: int, least: int) -> list[IntArray]:
        """Return the order in parts, cut where neighbours are furthest apart.

        Args:
            most: parts, at most.
            least: classes of each, where there are so many.
        """
        cuts = [0, len(self.order)]
        while len(cuts) <= most and (cut := self._next_cut(cuts, least)):
            cuts = sorted([*cuts, cut])
        return np.split(self.order, cuts[1:-1])

    def _next_cut(self, cuts: list[int], least: int) -> int:
        """Return where the widest gap is that leaves so many on both sides; 0 where none does."""
        best = (-1.0, 0, 0)
        for start, end in itertools.pairwise(cuts):
            for place in range(start + least, end - least + 1):
                # Of gaps as wide the one in the middle of most, so that parts are of a size.
                wide = round(float(self.gaps[place - 1]), 2)
                best = max(best, (wide, min(place - start, end - place), place))
        return best[2]


def shares_of(counts: NDArray[np.integer]) -> FloatArray:
    """Return each row of a confusion matrix as shares of its images; NaN where it has none."""
    whole = counts.sum(axis=-1, keepdims=True)
    return np.divide(counts, whole, out=np.full(counts.shape, np.nan), where=whole > 0)


def seriation(counts: NDArray[np.integer]) -> Seriation:
    """Return an order in which confused classes stand together.

    The mean of the shares of confusion in both directions is how near two classes are. They are
    joined by average linkage, and the leaves of that tree are turned so that neighbours are as
    near as can be (Bar-Joseph, Gifford and Jaakkola, Bioinformatics 17, 2001).

    Args:
        counts: images by true class and answer, (C, C).
    """
    number = len(counts)
    if number < 3:
        return Seriation(np.arange(number), np.zeros(max(0, number - 1)))
    shares = np.nan_to_num(shares_of(counts))
    near = (shares + shares.T) / 2
    np.fill_diagonal(near, 0)
    if not near.any():  # nothing is confused, so that the order of the data set is as good as any
        return Seriation(np.arange(number), np.ones(number - 1))
    far = 1 - near / near.max()
    np.fill_diagonal(far, 0)
    apart = squareform(far, checks=False)
    tree = linkage(apart, "average")
    if number <= MOST_ORDERED:
        tree = optimal_leaf_ordering(tree, apart)
    order = leaves_list(tree).astype(np.int64)
    joined = squareform(cophenet(tree))
    return Seriation(order, joined[order[:-1], order[1:]])
