"""Many runs as two data frames of one index: what was run, and what it scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from ltbench.errors import UsageError
from ltbench.results.index import read_runs
from ltbench.results.run import STANDING, RunRecord

_BEST_FIRST = {"done": 0, "diverged": 1, "failed": 2, "unfinished": 3, "unreadable": 4}


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
    folders = [folders] if isinstance(folders, Path) else list(folders)
    records: list[RunRecord] = []
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(
                f"There is no folder '{folder}': name the folder that holds the runs, or make some "
                "with `ltbench run --algo erm --dataset digits-mini-mlt --seeds 5`."
            )
        records.extend(read_runs(folder))
    if not records:
        names = ", ".join(f"'{folder}'" for folder in folders)
        raise UsageError(
            f"There are no runs in {names}: make some with "
            "`ltbench run --algo erm --dataset digits-mini-mlt --seeds 5`, or name their folder."
        )
    return as_frames(_without_copies(records))


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
        "seconds": "float64",
        "parameters": "float64",
        "peak_memory_mb": "float64",
    }.get(name, "object")


def _without_copies(records: Sequence[RunRecord]) -> list[RunRecord]:
    kept: dict[tuple[object, ...], RunRecord] = {}
    for record in records:
        key = (record.path,) if record.status == "unreadable" else (record.hash, record.seed)
        before = kept.get(key)
        if before is None or _BEST_FIRST[record.status] < _BEST_FIRST[before.status]:
            kept[key] = record
    return list(kept.values())
