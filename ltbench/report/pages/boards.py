"""The boards of a folder: rows files and folders of runs, each with the name of its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from ltbench.errors import UsageError
from ltbench.report.content import Content, Leaderboard, Row, build
from ltbench.report.selection import select_runs
from ltbench.results.folders import read_folders
from ltbench.results.frame import as_frames
from ltbench.results.rows import SUFFIX, about_row
from ltbench.results.run import RunRecord
from ltbench.results.untrusted import clean

RunKey = tuple[str, int]
"""Hash and seed of a run."""


@dataclass(frozen=True)
class Board:
    """The runs of one rows file or folder, and what they say.

    Attributes:
        name: that of the file without its suffix, or of the folder.
        path: the file or folder.
        records: of its runs.
        content: their leaderboards.
        about: what the rows say of the runs: ``badge``, ``origin``, ``date``.
    """

    name: str
    path: Path
    records: tuple[RunRecord, ...]
    content: Content
    about: Mapping[RunKey, Mapping[str, str]] = field(default_factory=dict)

    @cached_property
    def rows(self) -> list[tuple[Leaderboard, Row]]:
        """Every row of every table."""
        return [(table, row) for table in self.content.boards for row in table.rows]

    @property
    def date(self) -> str:
        """Return the day on which the newest of its rows was done; empty where none says."""
        return max((about.get("date", "") for about in self.about.values()), default="")

    def origins(self, table: Leaderboard, row: Row) -> str:
        """Return who handed in the runs of a row, the different ones joined."""
        runs = table.table.every_run
        runs = runs[(runs["label"] == row.label) & (runs["status"] == "done")]
        keys = zip(runs["hash"], runs["seed"], strict=True)
        found = {self.about.get(key, {}).get("origin", "") for key in keys}
        return ", ".join(sorted(found - {""}))


def read_boards(folder: Path) -> list[Board]:
    """Read every board of a folder, in the order of their names.

    Args:
        folder: holds rows files (``NAME.jsonl``) and folders of runs; what is neither is passed
            over, as are names that begin with a dot.

    Raises:
        UsageError: there is no such folder, no board in it, or two boards have one name.
        DataError: a rows file cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder '{folder}': name the one that holds the boards.")
    paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    sources = [
        path for path in paths if path.suffix == SUFFIX or (path.is_dir() and _has_runs(path))
    ]
    names = [_name(path) for path in sources]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"'{folder}' has two boards '{name}': rename the file or the folder.")
    if not sources:
        raise UsageError(
            f"There is no board in '{folder}': a board is a file NAME.jsonl of rows, which "
            "`ltbench leaderboard runs -o NAME.jsonl` writes, or a folder of runs."
        )
    return [read_board(path) for path in sources]


def read_board(path: Path) -> Board:
    """Read one board.

    Raises:
        UsageError: none of its runs can be read.
        DataError: a rows file cannot be read.
    """
    records = read_folders([path])
    content = build(select_runs(as_frames(records)))
    unread = tuple((r.path, r.reason) for r in records if r.status == "unreadable")
    content = replace(content, unreadable=unread)
    about = {(record.hash, record.seed): _about(record) for record in records}
    return Board(_name(path), path, tuple(records), content, about)


def _name(path: Path) -> str:
    return clean(path.stem if path.suffix == SUFFIX else path.name)


def _has_runs(folder: Path) -> bool:
    return next(folder.rglob("spec.json"), None) is not None


def _about(record: RunRecord) -> dict[str, str]:
    """Return what its row says of a run; nothing of one that is in a folder of runs."""
    return about_row(Path(record.path)) if record.status == "done" else {}


def algos_of(boards: Sequence[Board]) -> list[str]:
    """Return the methods of all boards, algorithms with their modifiers and stages, sorted."""
    return sorted({row.algo for board in boards for _, row in board.rows if not row.combined})
