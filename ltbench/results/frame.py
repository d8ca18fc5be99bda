"""Many runs as two data frames of one index: what was run, and what it scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from ltbench.results.folders import read_folders
from ltbench.results.run import STANDING, RunRecord


@dataclass(frozen=True)
class Runs:
    """Runs, one row each.

    Attributes:
        table: the fields of :class:`~ltbench.results.run.RunRecord` except the metrics and what
            only a run that is not done has, and ``label``.
        scores: a column for each test metric (accuracies and F1 in 0…1), NaN where missing.
    """

    table: pd.DataFrame
    scores: pd.DataFrame

    def where(self, chosen: pd.Series | np.ndarray) -> Runs:
        """Return the runs for which the Boolean column ``chosen`` is true."""
        return Runs(self.table[chosen], self.scores[chosen])


def load_runs(folders: Path | Sequence[Path]) -> Runs:
    """Read the runs below one or several folders.

    A run that lies in two of the folders (same hash and seed) counts once; where one of the copies
    is done, that one.

    Raises:
        UsageError: a folder does not exist, or there is no run in any of them.
    """
    return as_frames(read_folders(folders))


def joined(parts: Sequence[Runs]) -> Runs:
    """Return the runs of several parts of the same runs."""
    return Runs(pd.concat([p.table for p in parts]), pd.concat([p.scores for p in parts]))


def as_frames(records: Sequence[RunRecord]) -> Runs:
    """Return records as data frames with one row each."""
    names = (f.name for f in fields(RunRecord))
    columns = [name for name in names if name != "test" and name not in STANDING] + ["label"]
    table = pd.DataFrame(
        {
            name: pd.Series([getattr(r, name) for r in records], dtype=_dtype(name))
            for name in columns
        }
    )
    scores = pd.DataFrame([r.test for r in records], index=table.index, dtype=float)
    return Runs(table, scores)


def _dtype(name: str) -> str:
    return {
        "seed": "int64",
        "pretrained": "bool",
        "transductive": "bool",
        "trained_on_validation": "bool",
        "seconds": "float64",
        "taken_over": "float64",
        "parameters": "float64",
        "peak_memory_mb": "float64",
        "trainable_parameters": "float64",
    }.get(name, "object")
