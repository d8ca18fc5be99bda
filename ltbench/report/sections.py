"""Titled tables with notes, in any format: what `stats` and `tables` print."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ltbench.report.grid import Grid
from ltbench.report.text_formats import (
    LATEX_PACKAGES,
    latex_notes,
    latex_table,
    markdown_grid,
    markdown_text,
    notes_text,
    terminal_grid,
    underlined,
)

Column = Callable[[Any], str]
Columns = dict[str, tuple[str, Column]]


@dataclass(frozen=True)
class Section:
    """One table.

    Attributes:
        frame: the plain values, for CSV and JSON; shares are fractions.
        grid: the same as text, for readers.
        notes: what the table used and what it cannot show.
    """

    title: str
    frame: pd.DataFrame
    grid: Grid
    notes: tuple[str, ...] = ()


def section(
    title: str,
    frame: pd.DataFrame,
    columns: Columns,
    notes: Sequence[str] = (),
) -> Section:
    """Return a section whose text shows some columns of a frame.

    Args:
        title: its heading.
        frame: the values.
        columns: for each column to be shown its head and how a value is written.
        notes: sentences below it.
    """
    shown = list(columns)
    body = tuple(
        tuple(columns[name][1](value) for name, value in zip(shown, line, strict=True))
        for line in frame[shown].itertuples(index=False)
    )
    grid = Grid(tuple(columns[name][0] for name in shown), body)
    return Section(title, frame, grid, tuple(notes))


def fixed(digits: int, *, sign: bool = False) -> Column:
    """Return a writer of numbers with so many decimals; "—" for what is missing."""

    def write(value: float) -> str:
        if value is None or math.isnan(value):
            return "—"
        return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")

    return write


def probability(value: float) -> str:
    """Return ".012", "<.001", or "—" where there is none."""
    if math.isnan(value):
        return "—"
    return "<.001" if value < 0.0005 else f"{value:.3f}".replace("0.", ".", 1)


def terminal(sections: Sequence[Section]) -> str:
    """Return plain text."""
    blocks = []
    for part in sections:
        parts = [underlined(part.title)]
        parts += [terminal_grid(part.grid)] if part.grid.body else []
        blocks.append("\n\n".join([*parts, *([notes_text(part.notes)] if part.notes else [])]))
    return "\n\n\n".join(blocks) + "\n"


def markdown(sections: Sequence[Section]) -> str:
    """Return GitHub-flavoured Markdown."""
    parts = []
    for part in sections:
        parts.append(f"### {markdown_text(part.title)}")
        parts += [markdown_grid(part.grid)] if part.grid.body else []
        parts += ["\n".join(f"- {markdown_text(n)}" for n in part.notes)] if part.notes else []
    return "\n\n".join(parts) + "\n"


def latex(sections: Sequence[Section]) -> str:
    """Return LaTeX tables for the packages of :data:`LATEX_PACKAGES`."""
    parts = [LATEX_PACKAGES]
    for part in sections:
        if part.grid.body:
            parts.append(latex_table(part.grid, part.title, part.notes))
        else:
            parts += latex_notes(part.notes)
    return "\n\n".join(parts) + "\n"


def csv(sections: Sequence[Section]) -> str:
    """Return the tables one after another, each below a line ``# title``."""
    parts = [
        f"# {part.title}\n{part.frame.to_csv(index=False, lineterminator=chr(10))}"
        for part in sections
        if len(part.frame)
    ]
    return "\n".join(parts)


def to_json(sections: Sequence[Section]) -> str:
    """Return a list of objects with ``title``, ``rows`` and ``notes``; missing values are null."""
    document = [
        {
            "title": part.title,
            "rows": json.loads(part.frame.to_json(orient="records", double_precision=12)),
            "notes": list(part.notes),
        }
        for part in sections
    ]
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


FORMATS: dict[str, Callable[[Sequence[Section]], str]] = {
    "terminal": terminal,
    "markdown": markdown,
    "csv": csv,
    "json": to_json,
    "latex": latex,
}


def write(sections: Sequence[Section], format: str, output: Path) -> None:
    """Write sections to a file, making its folder."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(FORMATS[format](sections), encoding="utf-8")
