"""A page for each method: what it is, its hyper-parameters, and its rows on all boards."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ltbench.plugins.description import inline
from ltbench.report.content import Leaderboard, Row
from ltbench.report.grid import cell_text, ranks_text
from ltbench.report.metrics import DECLARED_METRICS, metric
from ltbench.report.pages.addresses import INDEX, board_address, link, method_address
from ltbench.report.pages.boards import Board
from ltbench.report.pages.costs import costs_of
from ltbench.report.pages.plugin_facts import PartFacts, family, part_facts, parts_of, summary
from ltbench.report.section import Cell, Column, Grid, Link, Report, Section, name_column

_METRICS = tuple(map(metric, DECLARED_METRICS))


def method_page(algo: str, boards: Sequence[Board], others: Sequence[str]) -> Report:
    """Return the page of a method.

    Args:
        algo: the algorithm with its modifiers and stages.
        boards: all boards.
        others: all methods.
    """
    parts = [part_facts(kinds, name) for kinds, name in parts_of(algo)]
    sections = [_results(algo, boards), *map(_part, parts)]
    if kin := _kin(algo, others):
        sections.append(_kin_section(algo, kin))
    return Report(
        tuple(sections),
        title=algo,
        lead=summary(algo) or "No plugin that is installed here says what this method is.",
        trail=(Link("Boards", link(method_address(algo), INDEX)),),
    )


def _results(algo: str, boards: Sequence[Board]) -> Section:
    found = [
        (board, table, row, costs_of(table))
        for board in boards
        for table, row in board.rows
        if row.algo == algo and not row.combined
    ]
    # What is relative to the reference of a board says nothing beside rows of other boards.
    known = (column for *_, costs in found for column in costs.columns)
    costly = {column.head: column for column in known if not column.head.startswith("×")}
    columns = (
        name_column("board"),
        name_column("method"),
        Column("k/N"),
        Column("rank"),
        *(Column("\n".join(one.head)) for one in _METRICS),
        *costly.values(),
    )
    body = tuple(
        (
            *_line(algo, board, table, row),
            *(costs.cell(row.label, head) for head in costly),
        )
        for board, table, row, costs in found
    )
    return Section(
        "On the boards",
        grids=(Grid(columns, body, title="Mean ± half the 95 % t-interval over seeds, in %"),),
        notes=(
            "A row is compared with others on its own board alone: boards differ in data, protocol "
            "or backbone.",
            *dict.fromkeys(costs.note for *_, costs in found if costs.note),
        ),
        name="On the boards",
    )


def _line(algo: str, board: Board, table: Leaderboard, row: Row) -> tuple[str, ...]:
    name = board.name
    if len(board.content.boards) > 1:
        name = f"{name}, {table.table.protocol_hash[:8]}"
    places = f"{ranks_text(row.ranks)} {row.letters}".strip()
    return (
        Cell(name, href=link(method_address(algo), board_address(board.name))),
        row.label,
        Cell(f"{row.done}/{row.started}", str(row.done)),
        Cell(places, str(row.ranks[0]) if row.ranks else ""),
        *(_score(table, row, one.name) for one in _METRICS),
    )


def _score(table: Leaderboard, row: Row, name: str) -> Cell:
    cell, shown = row.cells.get(name), table.table.metric(name)
    if cell is None or not cell.values:
        return Cell("—", "")
    seeds = "\n".join(f"seed {seed}: {shown.number(value)}" for seed, value in cell.values)
    return Cell(cell_text(shown, cell, row), repr(float(cell.mean)), seeds)


def _part(part: PartFacts) -> Section:
    title = f"{part.kind.capitalize()} {part.name}"
    if part.entry is None:
        return Section(title, notes=(f"No plugin that is installed here has this {part.kind}.",))
    facts = [
        ("family", part.package),
        ("code", part.code),
        ("distribution", f"{part.entry.distribution} {part.entry.version}"),
    ]
    text: list[str] = []
    grids = []
    if part.description is not None:
        facts.append(("needs", ", ".join(part.description.needs)))
        text = paragraphs(part.description.text)
        grids = [_parameters(part)] if part.description.parameters else []
    else:
        text = [f"`ltbench plugins info {part.name}` prints what its code says of itself."]
    columns = (name_column("what"), name_column("is"))
    known = Grid(columns, tuple((key, value) for key, value in facts if value))
    return Section(title, verdict=tuple(text), grids=(known, *grids))


def _parameters(part: PartFacts) -> Grid:
    assert part.description is not None
    columns = (
        name_column("hyper-parameter"),
        Column("default"),
        name_column("allowed"),
        name_column("search"),
        name_column("what"),
    )
    body = tuple(
        (p.name, p.default, p.allowed, p.search or "—", p.help) for p in part.description.parameters
    )
    return Grid(columns, body, title="Hyper-parameters")


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a docstring, each on one line, without its sections of arguments.

    What is indented is a formula, and becomes code.
    """
    found = [part for part in re.split(r"\n\s*\n", text) if part.strip()]
    return [_paragraph(part) for part in found if not re.match(r"(Args|Attributes):", part)]


def _paragraph(text: str) -> str:
    line = " ".join(text.split())
    return f"`{line.replace('`', '')}`" if text.startswith((" ", "\n ")) else inline(line)


def _kin(algo: str, others: Sequence[str]) -> list[str]:
    """Return the other methods that have a part in common which is more than plain training."""
    own = set(parts_of(algo))
    shared = own if len(own) == 1 else own - {("algorithms", "erm")}
    return [other for other in others if other != algo and shared & set(parts_of(other))]


def _kin_section(algo: str, kin: Sequence[str]) -> Section:
    page = method_address(algo)
    body = tuple(
        (Cell(other, href=link(page, method_address(other))), family(other), summary(other))
        for other in kin
    )
    columns = (name_column("method"), name_column("family"), name_column("what"))
    return Section("Methods that share a part", grids=(Grid(columns, body),))
