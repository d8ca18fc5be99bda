"""What the first method of each leaderboard got wrong, in short, for the page of a report."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ltbench.command_start import command_start
from ltbench.data.tested_images import find_tested_images
from ltbench.errors import LtbenchError
from ltbench.report.content import Content, Leaderboard
from ltbench.report.errors_page import IN_REPORT, error_sections, picture_notes, worst_classes
from ltbench.report.run_errors import Part, RunErrors, errors_of
from ltbench.report.section import Section
from ltbench.report.thumbnails import Thumbnails
from ltbench.results.index import read_runs
from ltbench.results.run import RunRecord

ROOM = 400_000
"""Bytes of the pictures of all boards together."""
_MOST_BOARDS = 12
_MOST_DOMAINS = 12
_CLASSES = 10
"""Classes of a board's table."""


def errors_of_boards(content: Content) -> list[Section]:
    """Return sections for the first boards of one data set, those of runs that kept answers.

    The run is one of the method with the highest average, the first seed.
    """
    chosen = [found for board in content.boards if (found := _first(board))][:_MOST_BOARDS]
    room = ROOM // max(1, len(chosen))
    return [part for board, run in chosen for part in _sections(board, run, room)]


def _first(board: Leaderboard) -> tuple[Leaderboard, RunRecord] | None:
    """Return a run of the board's first method, or ``None`` where there is none to look at."""
    label = next((row.label for row in board.rows if row.done and not row.combined), None)
    if board.table.joined or label is None:
        return None
    runs = board.table.trained().runs.table
    runs = runs[(runs["label"] == label) & (runs["status"] == "done")].sort_values("seed")
    if runs.empty:
        return None
    found = read_runs(Path(runs["path"].iloc[0]))
    return (board, found[0]) if found else None


def _sections(board: Leaderboard, run: RunRecord, room: int) -> Iterator[Section]:
    """Yield the most confused classes, the surest wrong answers and the worst classes of a run."""
    try:
        found = errors_of(run)
    except LtbenchError:  # a run of before answers were kept
        return
    thumbnails = Thumbnails(find_tested_images(found.wanted), room)
    whole, *domains = found.parts()
    made = _of_part(found, whole, thumbnails)
    last = len(made) - 1  # of those that the page shows at first
    for part in domains if len(domains) <= _MOST_DOMAINS else ():
        made += _of_part(found, part, thumbnails)
    command = f"{command_start()} errors {shlex.quote(run.path)}"
    notes = (f"`{command}` writes a page with more of them.",)
    notes = (*(picture_notes(thumbnails) if thumbnails.spent else ()), *notes)
    for i, section in enumerate(made):
        yield replace(
            section,
            title=f"{section.title} — {board.table.short}, {run.label}, seed {run.seed}",
            name=f"{section.title}, {board.table.short}",
            notes=(*section.notes, *(notes if i == last else ())),
        )


def _of_part(found: RunErrors, part: Part, thumbnails: Thumbnails) -> list[Section]:
    """Return what the page has of all test images, or of those of a domain."""
    return [
        *error_sections(found, part, thumbnails, IN_REPORT),
        worst_classes(found, part, _CLASSES),
    ]
