"""The scores of one metric, split by method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

FEWEST_SEEDS = 3
"""A method with fewer enters no claim of a table in which two others have as many."""

# Seeds that agree up to rounding error carry no information about their spread.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Groups:
    """The scores of one metric by method; every array has one entry for each method.

    Attributes:
        names: the methods.
        values: their scores, one for each seed; what was missing is left out.
        images: covariance (k, k) of the methods' means over test sets of the same make; ``None``
            where it is not known, and only the spread over seeds is.
        families: the first stage of each method; those that share one have seeds in common.
            ``None`` where no two do.
        pairs: methods that are compared seed by seed; their values are of the same seeds, in the
            same order.
    """

    names: tuple[str, ...]
    values: tuple[FloatArray, ...]
    images: FloatArray | None = None
    families: tuple[str, ...] | None = None
    pairs: frozenset[frozenset[str]] = frozenset()

    @cached_property
    def counts(self) -> FloatArray:
        """Return the number of seeds of each method."""
        return np.array([len(v) for v in self.values], dtype=float)

    @cached_property
    def means(self) -> FloatArray:
        """Return each method's mean over seeds."""
        return np.array([v.mean() if len(v) else np.nan for v in self.values])

    @cached_property
    def variances(self) -> FloatArray:
        """Return each method's sample variance (ddof 1); 0 where all seeds agree, NaN at n < 2."""
        return np.array([_variance(v) for v in self.values])

    def keep(self, chosen: Sequence[bool] | NDArray[np.bool_]) -> Groups:
        """Return the methods for which ``chosen`` is true."""
        return self.take([i for i, keep in enumerate(chosen) if keep])

    def take(self, kept: Sequence[int]) -> Groups:
        """Return the methods at these places, in this order."""
        return replace(
            self,
            names=tuple(self.names[i] for i in kept),
            values=tuple(self.values[i] for i in kept),
            images=None if self.images is None else self.images[np.ix_(kept, kept)],
            families=self.families and tuple(self.families[i] for i in kept),
        )

    def replicated(self) -> Groups:
        """Return the methods with at least two seeds: the others have no spread to judge by."""
        return self.keep(self.counts >= 2)

    def comparable(self) -> Groups:
        """Return the methods that claims about the whole table may rest on.

        Those with :data:`FEWEST_SEEDS` or more; where no two methods have as many, those with two.
        Two seeds say so little of a method's spread that it would hide what the others show.
        """
        enough = self.counts >= FEWEST_SEEDS
        return self.keep(enough) if enough.sum() >= 2 else self.replicated()

    def image_variances(
        self, first: NDArray[np.intp], second: NDArray[np.intp]
    ) -> FloatArray | float:
        """Return what the test images add to the variance of differences; 0 where not known."""
        if self.images is None:
            return 0.0
        own = np.diagonal(self.images)
        return np.maximum(own[first] + own[second] - 2 * self.images[first, second], 0.0)


def split_by_label(scores: pd.DataFrame) -> Groups:
    """Split the columns ``label`` and ``value`` of a data frame, in the order of appearance."""
    names = tuple(dict.fromkeys(scores["label"]))
    codes = pd.Categorical(scores["label"], categories=list(names)).codes
    values = scores["value"].to_numpy(dtype=float)
    known = ~np.isnan(values)
    return Groups(names, tuple(values[known & (codes == i)] for i in range(len(names))))


def _variance(values: FloatArray) -> float:
    if len(values) < 2:
        return np.nan
    if np.ptp(values) <= ROUNDING * max(1.0, float(np.abs(values).max())):
        return 0.0
    return float(values.var(ddof=1))
