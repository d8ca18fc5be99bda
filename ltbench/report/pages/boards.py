"""The boards of a folder: rows files and folders of runs, each with the name of its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from ltbench.errors import DataError, UsageError
from ltbench.regular_files import open_file
from ltbench.report.content import Content, Leaderboard, Row, build
from ltbench.report.selection import select_runs
from ltbench.results.folders import read_folders
from ltbench.results.frame import as_frames
from ltbench.results.run import RunRecord
from ltbench.results.untrusted import clean, parse_line

ROWS = ".jsonl"
_LONGEST_ROW = 2**28
_MARKS = ("badge", "origin")

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
        marks: ``badge`` and ``origin`` of the rows that have them.
    """

    name: str
    path: Path
    records: tuple[RunRecord, ...]
    content: Content
    marks: Mapping[RunKey, Mapping[str, str]] = field(default_factory=dict)

    @cached_property
    def rows(self) -> list[tuple[Leaderboard, Row]]:
        """Every row of every table."""
        return [(table, row) for table in self.content.boards for row in table.rows]

    def marks_of(self, table: Leaderboard, row: Row, mark: str) -> str:
        """Return the badge or origin of the runs of a row, the different ones joined."""
        runs = table.table.every_run
        runs = runs[(runs["label"] == row.label) & (runs["status"] == "done")]
        keys = zip(runs["hash"], runs["seed"], strict=True)
        found = {self.marks.get(key, {}).get(mark, "") for key in keys}
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
    sources = [path for path in paths if path.suffix == ROWS or (path.is_dir() and _has_runs(path))]
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
    return Board(_name(path), path, tuple(records), content, _read_marks(path))


def _name(path: Path) -> str:
    return clean(path.stem if path.suffix == ROWS else path.name)


def _has_runs(folder: Path) -> bool:
    return next(folder.rglob("spec.json"), None) is not None


def _read_marks(path: Path) -> dict[RunKey, dict[str, str]]:
    """Return the badges and origins of a rows file, by run; a folder of runs has none."""
    if path.suffix != ROWS:
        return {}
    found = {}
    try:
        with open_file(path) as lines:
            while line := lines.readline(_LONGEST_ROW):
                row = parse_line(line) or {}
                own = {mark: clean(row[mark]) for mark in _MARKS if isinstance(row.get(mark), str)}
                if own and isinstance(spec := row.get("spec"), dict):
                    found[spec.get("hash"), spec.get("seed")] = own
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    return found


def algos_of(boards: Sequence[Board]) -> list[str]:
    """Return the methods of all boards, algorithms with their modifiers and stages, sorted."""
    return sorted({row.algo for board in boards for _, row in board.rows if not row.combined})
