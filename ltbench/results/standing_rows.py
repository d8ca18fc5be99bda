"""Rows that stand on a board already, where the runs that are to be its rows are there once more.

The folder of a run is what tables are made of, as it holds more. But its files know neither when
the run was done, if they were copied since, nor who handed it in and how far it was checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ltbench.results.index import read_runs
from ltbench.results.rows import SUFFIX, about_row, opened
from ltbench.results.run import RunRecord
from ltbench.results.untrusted import read_json

_Key = tuple[str, int]


def with_standing_rows(
    records: Sequence[RunRecord], places: Sequence[Path], *, told: bool = False
) -> tuple[list[RunRecord], list[str]]:
    """Return the runs with those rows of files that stay, in the place of the same runs' folders.

    A row stays where the run is the same, with its day; one that somebody handed in stays also
    where another run of the same hash and seed has other results, and that is said.

    Args:
        records: the runs, each once.
        places: folders of runs and files of rows, from which they were read.
        told: whether it was said already which counts where results differ, and so is settled.

    Returns:
        The runs, and sentences.
    """
    files = [place for place in places if place.suffix == SUFFIX and not place.is_dir()]
    rows = _rows(files)
    kept, said = list[RunRecord](), list[str]()
    for record in records:
        row = rows.get((record.hash, record.seed), record)
        if record.status == "done" and not _is_same(record, row):
            stays = _is_handed_in(row) and not told
            if stays:
                about = about_row(Path(row.path))
                said.append(
                    f"{record.label} on {record.dataset} seed {record.seed}: the row that stays "
                    f"was handed in by {about.get('origin', 'somebody')}, and {record.path} has "
                    "other results."
                )
            row = row if stays else record
        kept.append(row)
    return kept, said


def _rows(files: Iterable[Path]) -> dict[_Key, RunRecord]:
    """Return the rows of files by hash and seed, of several those that were handed in first."""
    found: dict[_Key, RunRecord] = {}
    for file in files:
        for row in read_runs(opened(file), keep=False):
            key = row.hash, row.seed
            if row.status != "done":
                continue
            if key not in found or (_is_handed_in(row) and not _is_handed_in(found[key])):
                found[key] = row
    return found


def _is_handed_in(row: RunRecord) -> bool:
    return not about_row(Path(row.path)).keys().isdisjoint(("badge", "origin"))


def _is_same(one: RunRecord, other: RunRecord) -> bool:
    """Return whether two are of one training: what it took says that, to the last digit."""
    return one.path == other.path or _result(one) == _result(other)


def _result(record: RunRecord) -> dict[str, object] | None:
    return read_json(Path(record.path, "result.json"))
