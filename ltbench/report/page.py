"""Leaderboards as one self-contained HTML page that asks nothing of any network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from ltbench import __version__
from ltbench.report.content import Cell, Content, Leaderboard, Row
from ltbench.report.grid import (
    Grid,
    cell_text,
    comparison_grid,
    images_grid,
    ranks_text,
    results_grid,
    summary_grid,
)
from ltbench.report.metrics import Metric
from ltbench.report.provenance import environments, run_commands, total_time
from ltbench.report.verdict import verdict
from ltbench.report.wording import (
    content_notes,
    footnotes,
    omnibus_sentence,
    subtitle,
    summary_notes,
)


@dataclass(frozen=True)
class EmbeddedFigure:
    """A figure: ``image`` and ``numbers`` are data addresses, or ``reason`` says why not.

    ``width`` is in pixels, where the page has so many.
    """

    kind: str
    title: str
    image: str = ""
    numbers: str = ""
    reason: str = ""
    open: bool = False
    width: int = 0


@dataclass(frozen=True)
class PageCell:
    """A cell: its text, the value that sorts it (empty: missing), and a line for each seed."""

    text: str
    value: str = ""
    seeds: str = ""


@dataclass(frozen=True)
class PageTable:
    """A table: heads of one or two lines, cells, and which column it is sorted by (-1: none)."""

    head: list[list[str]]
    body: list[list[PageCell]]
    sorted: int = -1
    direction: str = "descending"


def html(content: Content) -> str:
    """Return the leaderboards alone, without figures, as a page."""
    return page(content, title="Leaderboard", commands=[])


def page(
    content: Content,
    *,
    title: str,
    commands: Sequence[str],
    figures: Mapping[str, Sequence[EmbeddedFigure]] | None = None,
) -> str:
    """Return the page.

    Args:
        content: the leaderboards.
        title: the page's heading.
        commands: what made the page; the commands of the runs are added.
        figures: for each protocol hash its figures; those across data sets under ``""``.
    """
    figures = figures or {}
    templates = Environment(
        loader=PackageLoader("ltbench.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["prose"] = _prose
    across = None
    if content.summary:
        across = {
            "grid": _plain_table(summary_grid(content.summary)),
            "caption": f"Ranks on {content.summary.metric.words}, 1 is best",
            "notes": summary_notes(content.summary),
            "figures": figures.get("", ()),
        }
    return templates.get_template("page.html.j2").render(
        title=title,
        version=__version__,
        css=Markup(_asset("page.css")),
        script=Markup(_asset("page.js")),
        lead=_lead(content),
        boards=[_board(board, figures) for board in content.boards],
        across=across,
        notes=content_notes(content),
        commands=[*(c for board in content.boards for c in run_commands(board)), *commands],
        environment=_environment_table(content),
    )


def _asset(name: str) -> str:
    return (resources.files("ltbench.report") / "templates" / name).read_text(encoding="utf-8")


def _prose(text: str) -> Markup:
    """Return text with what stands in backticks as code, and all else escaped."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts)
    )


def _lead(content: Content) -> str:
    runs = sum(row.done for board in content.boards for row in board.rows)
    methods = len({row.label for board in content.boards for row in board.rows})
    datasets = len({board.table.dataset for board in content.boards})
    return (
        f"{runs:,} runs of {methods} method{'s' * (methods != 1)} on {datasets} data "
        f"set{'s' * (datasets != 1)}{total_time(content)}. A table compares only runs of one data "
        "set, protocol and backbone."
    )


def _board(
    board: Leaderboard, figures: Mapping[str, Sequence[EmbeddedFigure]]
) -> dict[str, object]:
    comparison, images = comparison_grid(board), images_grid(board)
    return {
        "name": board.table.short,
        "heading": board.table.heading,
        "subtitle": subtitle(board),
        "verdict": verdict(board),
        "results": _results_table(board),
        "comparisons": _comparison_table(board, comparison) if comparison else None,
        "images": _plain_table(images) if images else None,
        "reference": board.reference,
        "omnibus": [omnibus_sentence(board, metric) for metric in board.declared],
        "notes": footnotes(board),
        "figures": figures.get(board.table.protocol_hash, ()),
    }


def _results_table(board: Leaderboard) -> PageTable:
    grid = results_grid(board)
    ranked = "rank" in grid.head
    body = []
    for row in board.rows:
        line = [PageCell(row.method if board.tuned else row.label)]
        line += [PageCell(row.settings, row.settings)] if board.tuned else []
        line.append(PageCell(f"{row.done}/{row.started}", str(row.done)))
        if ranked:
            place = str(row.ranks[0] + row.ranks[1] / 1000) if row.ranks else ""
            line.append(PageCell(f"{ranks_text(row.ranks)} {row.letters}".strip(), place))
        line += [_score(metric, row.cells[metric.name], row) for metric in board.metrics]
        body.append(line)
    direction = "ascending" if board.primary.smaller_is_better else "descending"
    return PageTable(_heads(grid), body, 2 + ranked + board.tuned, direction)


def _score(metric: Metric, cell: Cell, row: Row) -> PageCell:
    seeds = "\n".join(f"seed {seed}: {metric.number(value)}" for seed, value in cell.values)
    return PageCell(cell_text(metric, cell, row), _value(cell.mean), seeds)


def _comparison_table(board: Leaderboard, grid: Grid) -> PageTable:
    rows = [row for row in board.rows if row.comparisons]
    body = []
    for row, texts in zip(rows, grid.body, strict=True):
        cells = [PageCell(texts[0])]
        for metric, text in zip(board.declared, texts[1:], strict=True):
            comparison = row.comparisons.get(metric.name)
            cells.append(PageCell(text, _value(comparison.difference) if comparison else ""))
        body.append(cells)
    return PageTable(_heads(grid), body)


def _environment_table(content: Content) -> PageTable:
    rows = environments(content)
    head = list(rows[0]) if rows else ["runs"]
    body = [[PageCell(str(row[name]), str(row[name])) for name in head] for row in rows]
    return PageTable([[name] for name in head], body)


def _plain_table(grid: Grid) -> PageTable:
    body = [
        [PageCell(text, text.split(" ")[0] if text != "—" else "") for text in row]
        for row in grid.body
    ]
    return PageTable(_heads(grid), body)


def _heads(grid: Grid) -> list[list[str]]:
    return [head.split("\n") for head in grid.head]


def _value(number: float) -> str:
    return "" if math.isnan(number) else repr(float(number))
