"""The first page of the site: its boards, methods and data sets."""

from __future__ import annotations

from collections.abc import Sequence

from ltbench.errors import LtbenchError
from ltbench.report.content import Leaderboard
from ltbench.report.grid import cell_text, ranks_text
from ltbench.report.pages.addresses import (
    INDEX,
    board_address,
    dataset_address,
    link,
    method_address,
)
from ltbench.report.pages.board_page import FAMILY
from ltbench.report.pages.boards import Board, algos_of
from ltbench.report.pages.dataset_page import variants_of
from ltbench.report.pages.plugin_facts import family, summary
from ltbench.report.plain import duration
from ltbench.report.provenance import computed
from ltbench.report.section import Cell, Column, Grid, Report, Section, name_column
from ltbench.report.selection import Table
from ltbench.report.verdict import not_told_apart
from ltbench.report.wording import listed

_MOST_COLUMNS = 8  # boards whose scores stand beside the methods


def index_page(boards: Sequence[Board], datasets: Sequence[str], title: str) -> Report:
    """Return the page.

    Args:
        boards: all of them.
        datasets: their data sets.
        title: the heading.
    """
    algos = algos_of(boards)
    runs = sum(record.status == "done" for board in boards for record in board.records)
    lead = (
        f"{len(boards)} board{'s' * (len(boards) != 1)}, {len(algos)} methods, {runs:,} runs. A "
        "board compares only runs of one data set, protocol and backbone."
    )
    sections = [
        Section("Boards", grids=(_boards_grid(boards),), name="Boards"),
        Section("Methods", grids=(_methods_grid(boards, algos),), notes=_METHODS, name="Methods"),
        Section("Data sets", grids=(_datasets_grid(boards, datasets),), name="Data sets"),
    ]
    return Report(tuple(sections), title=title, lead=lead)


_METHODS = (
    "Each column is a board, and its numbers the score that ranks it, of the method with its "
    "default settings: mean ± half the 95 % t-interval over seeds. —: no result with them on that "
    "board.",
)


def _tables(boards: Sequence[Board]) -> list[tuple[Board, Leaderboard]]:
    return [(board, table) for board in boards for table in board.content.boards]


def _boards_grid(boards: Sequence[Board]) -> Grid:
    columns = (
        name_column("board"),
        name_column("data set"),
        name_column("evaluation"),
        name_column("setting"),
        Column("methods"),
        Column("runs\ndone"),
        Column("computed"),
        Column("newest\nrow"),
        name_column("highest, or not told apart from it"),
    )
    body = tuple(
        (
            Cell(board.name, href=link(INDEX, board_address(board.name))),
            table.table.dataset,
            table.table.scheme.evaluation or "one domain",
            table.table.setting,
            str(len(table.rows)),
            str(sum(row.done for row in table.rows)),
            _time(table),
            board.date or "—",
            _best(table),
        )
        for board, table in _tables(boards)
    )
    return Grid(columns, body)


def _time(table: Leaderboard) -> Cell:
    seconds = computed(table.table.trained().every_run)
    return Cell(duration(seconds), repr(seconds)) if seconds > 0 else Cell("—", "")


def _best(table: Leaderboard) -> str:
    """Return the first row and those that tests do not tell from it, on the metric that ranks."""
    rows = [row for row in table.rows if row.done and not row.combined]
    if not rows:
        return "no run is done"
    labels = [rows[0].label, *(row.label for row in not_told_apart(rows))]
    words = "" if rows[0].letters else " (not tested)"
    return f"{listed(labels, 4)}{words}"


def _methods_grid(boards: Sequence[Board], algos: Sequence[str]) -> Grid:
    tables = _tables(boards)
    shown = tables if len(tables) <= _MOST_COLUMNS else []
    columns = (
        name_column("method"),
        FAMILY,
        name_column("what"),
        *(Column(_head(board, table)) for board, table in shown),
        Column("boards"),
    )
    body = tuple(
        (
            Cell(algo, href=link(INDEX, method_address(algo))),
            family(algo),
            summary(algo) or "—",
            *(_score(table, algo) for _, table in shown),
            str(sum(any(row.algo == algo for row in table.rows) for _, table in tables)),
        )
        for algo in algos
    )
    return Grid(columns, body, filtered=True)


def _head(board: Board, table: Leaderboard) -> str:
    alone = len(board.content.boards) == 1
    name = board.name if alone else f"{board.name}, {table.table.protocol_hash[:8]}"
    return f"{name}\n{table.primary.short}"


def _score(table: Leaderboard, algo: str) -> Cell:
    """Return the score of the row with default settings, with its ranks for who points at it."""
    found = [r for r in table.rows if r.algo == r.method == algo and not r.tuned and not r.combined]
    if not found or not found[0].cells[table.primary.name].values:
        return Cell("—", "")
    row, metric = found[0], table.primary
    cell = row.cells[metric.name]
    ranks = f"rank {ranks_text(row.ranks)}" if row.ranks else ""
    return Cell(cell_text(metric, cell, row), repr(float(cell.mean)), ranks)


def _datasets_grid(boards: Sequence[Board], datasets: Sequence[str]) -> Grid:
    columns = (
        name_column("data set"),
        name_column("what"),
        Column("domains"),
        Column("classes"),
        Column("training\nimages"),
        Column("settings"),
    )
    return Grid(columns, tuple(_dataset(name, boards) for name in datasets))


def _dataset(name: str, boards: Sequence[Board]) -> tuple[str, ...]:
    variants = variants_of(name, boards)
    first = next(iter(variants.values()))
    cell = Cell(name, href=link(INDEX, dataset_address(name)))
    sizes = _sizes(first)
    return (cell, first.title or "—", *sizes, str(len(variants)))


def _sizes(table: Table) -> tuple[str, str, str]:
    try:
        facts = table.facts()
    except LtbenchError:
        return "—", "—", "—"
    train = facts["counts"].get("train")
    images = "—" if train is None else str(int(train.sum()))
    return str(len(facts["domains"])), str(len(facts["classes"])), images
