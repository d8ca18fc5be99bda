"""The scores of one metric, split by method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Seeds that agree up to rounding error carry no information about their spread.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Groups:
    """The scores of one metric by method; every array has one entry for each method.

    Attributes:
        names: the methods.
        values: their scores, one for each seed; what was missing is left out.
    """

    names: tuple[str, ...]
    values: tuple[FloatArray, ...]

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
        kept = [i for i, keep in enumerate(chosen) if keep]
        return Groups(tuple(self.names[i] for i in kept), tuple(self.values[i] for i in kept))

    def replicated(self) -> Groups:
        """Return the methods with at least two seeds: the others have no spread to judge by."""
        return self.keep(self.counts >= 2)


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
    if np.ptp(values) <= _ROUNDING * max(1.0, float(np.abs(values).max())):
        return 0.0
    return float(values.var(ddof=1))
