"""A page for each board on which two of its methods are compared, on every metric with claims."""

from __future__ import annotations

import math

from ltbench.report.content import Leaderboard, Row
from ltbench.report.metrics import Metric
from ltbench.report.pages.addresses import INDEX, board_address, compare_address, link
from ltbench.report.pages.boards import Board
from ltbench.report.pairs import Difference, Pair, pairs_of
from ltbench.report.section import (
    Cell,
    Column,
    Grid,
    Link,
    Report,
    Section,
    name_column,
    probability,
)
from ltbench.stats.pairwise import MOST_METHODS


def compare_page(board: Board) -> Report:
    """Return the page."""
    page = compare_address(board.name)
    labels = dict.fromkeys(row.label for _, row in board.rows if row.done and not row.combined)
    return Report(
        tuple(_section(table) for table in board.content.boards),
        title=f"Two methods of {board.name}",
        lead=(
            "The difference of every two methods on each metric that the board makes claims about, "
            "with its interval, and the score of every seed."
        ),
        trail=(
            Link("Boards", link(page, INDEX)),
            Link(board.name, link(page, board_address(board.name))),
        ),
        pairs=tuple(labels),
    )


def _section(table: Leaderboard) -> Section:
    pairs = pairs_of(table)
    rows = [row for row in table.rows if row.done and not row.combined]
    grids = [_pairs_grid(table, pairs)] if pairs else []
    grids += [_seeds_grid(table, rows)] if rows else []
    return Section(
        table.table.heading,
        grids=tuple(grids),
        notes=tuple(_notes(table, pairs, len(rows))),
        name=table.table.short,
    )


def _pairs_grid(table: Leaderboard, pairs: list[Pair]) -> Grid:
    told = f"told apart\non {table.primary.short}"
    columns = (
        name_column("first method"),
        name_column("minus"),
        Column(told, text=True),
        *(Column("\n".join(metric.head)) for metric in table.declared),
    )
    body = tuple(
        (
            pair.first,
            pair.second,
            _TOLD[pair.told_apart],
            *(difference_cell(m, pair.differences.get(m.name)) for m in table.declared),
        )
        for pair in pairs
    )
    title = "Differences with their 95 % intervals (▲ the first is better, ▼ worse)"
    return Grid(columns, body, title=title, of=tuple((p.first, p.second) for p in pairs))


_TOLD = {True: "told apart", False: "not told apart", None: "—"}  # by letters, which few seeds lack


def difference_cell(metric: Metric, difference: Difference | None) -> Cell:
    """Return "+9.6 (+4.1, +15.0) ▲ p .001"; without p where nothing is tested."""
    if difference is None:
        return Cell("—", "")
    text = metric.number(difference.value, sign=True)
    if math.isnan(difference.low):
        return Cell(f"{text} (no spread)", repr(difference.value))
    low, high = (metric.number(end, sign=True) for end in (difference.low, difference.high))
    text += f" ({low}, {high})"
    if difference.claimed:
        text += " ▲" if (difference.value > 0) != metric.smaller_is_better else " ▼"
    if not math.isnan(difference.p):
        text += f" p {probability(difference.p)}".replace("p <", "p<")
    return Cell(text, repr(difference.value))


def _seeds_grid(table: Leaderboard, rows: list[Row]) -> Grid:
    columns = (
        name_column("method"),
        Column("seeds", text=True),
        *(Column("\n".join(metric.head)) for metric in table.declared),
    )
    body = tuple(
        (row.label, _seeds(table, row), *(_values(m, row) for m in table.declared)) for row in rows
    )
    return Grid(
        columns, body, title="The score of every seed", of=tuple((row.label,) for row in rows)
    )


def _seeds(table: Leaderboard, row: Row) -> str:
    values = row.cells[table.primary.name].values
    return " ".join(str(seed) for seed, _ in values) or "—"


def _values(metric: Metric, row: Row) -> Cell:
    cell = row.cells[metric.name]
    text = " ".join(metric.number(value) for _, value in cell.values)
    return Cell(text or "—", "" if math.isnan(cell.mean) else repr(float(cell.mean)))


def _notes(table: Leaderboard, pairs: list[Pair], methods: int) -> list[str]:
    if methods > MOST_METHODS:
        return [f"Pairs are given of at most {MOST_METHODS} methods, and here are {methods}."]
    if not pairs:
        return ["Fewer than two methods have a result here, so nothing is compared."]
    others = [metric.short for metric in table.declared if metric is not table.primary]
    notes = [
        f"On {table.primary.short} p and intervals hold for all pairs together (Games and Howell's "
        "statistic, 5 % family-wise), as the letters of the board do. Not told apart does not mean "
        "equal."
    ]
    if table.reference:
        notes.append(
            f"Against {table.reference} marks and p are those of the board (Holm over all metrics "
            "and methods), and each interval is of that difference alone."
        )
    if others:
        notes.append(
            f"On {', '.join(others)} the board makes no claim about other pairs: they have an "
            "interval for all pairs together, and neither mark nor p."
        )
    return notes
