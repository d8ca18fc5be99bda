"""A page for each board: its tables with families, origins and costs, and the rows to download."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ltbench.report.content import Leaderboard, Row
from ltbench.report.leaderboard import leaderboard_report
from ltbench.report.pages.addresses import (
    INDEX,
    board_address,
    compare_address,
    dataset_address,
    link,
    method_address,
    rows_address,
)
from ltbench.report.pages.boards import Board
from ltbench.report.pages.costs import costs_of
from ltbench.report.pages.plugin_facts import family
from ltbench.report.section import Cell, Column, Figure, Grid, Link, Report, Section

FAMILY = Column("family", text=True, chosen=True)
ORIGIN = Column("origin", text=True, chosen=True)


def board_page(board: Board, figures: Mapping[str, Sequence[Figure]], command: str) -> Report:
    """Return the page of a board.

    Args:
        board: its runs.
        figures: for each protocol hash, as for a report.
        command: the command that makes the site.
    """
    content = replace(board.content, unreadable=())
    report = leaderboard_report(content, title=board.name, command=command, figures=figures)
    tables = len(content.boards)
    own = [
        _with_links(board, table, section)
        for table, section in zip(content.boards, report.sections[:tables], strict=True)
    ]
    page = board_address(board.name)
    return replace(
        report,
        sections=(*own, *report.sections[tables:]),
        trail=(Link("Boards", link(page, INDEX)),),
    )


def _with_links(board: Board, table: Leaderboard, section: Section) -> Section:
    page = board_address(board.name)
    dataset = str(table.table.runs.table["dataset"].iloc[0])
    links = (
        Link("Compare two methods", link(page, compare_address(board.name))),
        Link(f"Data set {dataset}", link(page, dataset_address(dataset))),
        Link("Rows, JSON lines", link(page, rows_address(board.name, ".jsonl")), saved=True),
        Link("Scores, CSV", link(page, rows_address(board.name, ".csv")), saved=True),
    )
    main = _extended(board, table, section.grid)
    notes = (*section.notes, *_cost_note(table), *_unread(board))
    return replace(section, grids=(main, *section.grids[1:]), notes=notes, links=links)


def _cost_note(table: Leaderboard) -> tuple[str, ...]:
    note = costs_of(table).note
    return (note,) if note else ()


def _unread(board: Board) -> tuple[str, ...]:
    """Say how many runs were passed over; where they lay is nobody's business."""
    unread = board.content.unreadable
    if not unread:
        return ()
    count = len(unread)
    return (
        f"{count} run{'s' * (count != 1)} could not be read, the first because {unread[0][1]}.",
    )


def _extended(board: Board, table: Leaderboard, grid: Grid) -> Grid:
    """Return the main table with families behind the names, and origins and costs at its end."""
    costs, origins = costs_of(table), [board.origins(table, row) for row in table.rows]
    told = any(origins)
    body = tuple(
        (
            _named(board, row, line[0]),
            _family(row),
            *line[1:],
            *([origin or "—"] if told else []),
            *costs.of(row.label),
        )
        for row, line, origin in zip(table.rows, grid.body, origins, strict=True)
    )
    columns = (grid.columns[0], FAMILY, *grid.columns[1:])
    columns += (*([ORIGIN] if told else []), *costs.columns)
    place, direction = grid.sorted
    return replace(grid, columns=columns, body=body, filtered=True, sorted=(place + 1, direction))


def _named(board: Board, row: Row, text: str) -> Cell:
    """Return the name of a row, which leads to the page of its method."""
    cell = text if isinstance(text, Cell) else Cell(text)
    if row.combined:
        return cell
    return cell.linked(link(board_address(board.name), method_address(row.algo)))


def _family(row: Row) -> str:
    return "combined" if row.combined else family(row.algo)
