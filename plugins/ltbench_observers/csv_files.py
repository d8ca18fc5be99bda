"""CSV: one table for each run's evaluations and one over all runs. Needs no package."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ltbench.api import HParams, RunRecord, RunSpec, hookimpl, hparam, read_runs, write_bytes
from ltbench_observers.history import History, Point
from ltbench_observers.tracker import Tracker
from ltbench_observers.values import scalars

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}
RUN_COLUMNS = (
    "dataset", "label", "seed", "status", "algorithm", "stages", "backbone", "precision", "hash",
    "protocol_hash", "seconds", "parameters", "peak_memory_mb",
)  # fmt: skip


class CsvHParams(HParams):
    """How the files are written."""

    separator: str = hparam("comma", choices=tuple(SEPARATORS), help="between two values")


class CsvFiles(Tracker):
    """Writes ``metrics.csv`` into every run's folder and ``runs.csv`` beside the runs.

    ``metrics.csv`` has a row for every evaluation and grows while the run does. ``runs.csv`` has a
    row for every run below the folder, with its test metrics, and is written when a sweep ends.
    """

    HParams = CsvHParams

    def __init__(self, hparams: CsvHParams) -> None:
        super().__init__(hparams)
        self._separator = SEPARATORS[hparams.separator]
        self._columns: dict[Path, list[str]] = {}
        self._out: Path | None = None

    def write(self, run: RunSpec, folder: Path, history: History) -> None:
        """Write the whole table."""
        if not history.points:
            return
        rows = [_row(point) for point in history.points]
        self._columns[folder] = columns = list(dict.fromkeys(name for row in rows for name in row))
        table = self._text([columns, *([row.get(name) for name in columns] for row in rows)])
        write_bytes(folder / "metrics.csv", table)

    def append(self, run: RunSpec, folder: Path, history: History) -> None:
        """Add a row, or write the table anew where a stage brings columns of its own."""
        row, columns = _row(history.points[-1]), self._columns[folder]
        if not row.keys() <= set(columns):
            self.write(run, folder, history)
            return
        with (folder / "metrics.csv").open("ab") as file:
            file.write(self._text([[row.get(name) for name in columns]]))

    def end(self, run: RunSpec, folder: Path, history: History, result: Mapping[str, Any]) -> None:
        """Forget the run; its result will be in ``runs.csv``."""
        self._columns.pop(folder, None)

    @hookimpl
    def ltbench_sweep_started(self, out: Path) -> None:
        """Remember where the runs lie."""
        self._out = out

    @hookimpl
    def ltbench_sweep_finished(self) -> None:
        """Write the table of all runs."""
        if self._out is None:
            return
        records = read_runs(self._out)
        metrics = list(dict.fromkeys(f"test/{name}" for record in records for name in record.test))
        rows = [_run_row(record, metrics, self._out) for record in records]
        table = self._text([[*RUN_COLUMNS, *metrics, "reason", "folder"], *rows])
        write_bytes(self._out / "runs.csv", table)

    def _text(self, rows: Iterable[Sequence[Any]]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self._separator, lineterminator="\n").writerows(rows)
        return text.getvalue().encode()


def _row(point: Point) -> dict[str, Any]:
    record = point.record
    place = {"stage": record["stage"], "step": record["step"], "total_step": point.position}
    return {**place, **scalars(record)}


def _run_row(record: RunRecord, metrics: Sequence[str], out: Path) -> list[Any]:
    values = [getattr(record, name) for name in RUN_COLUMNS]
    values[RUN_COLUMNS.index("stages")] = "+".join(record.stages)
    values += [record.test.get(name.removeprefix("test/")) for name in metrics]
    values += [record.reason, Path(record.path).relative_to(out)]
    return [None if isinstance(v, float) and math.isnan(v) else v for v in values]
