"""A report in each of its formats, on a screen or in a file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ltbench.printable import json_text
from ltbench.report.csv_text import csv_text
from ltbench.report.latex import latex
from ltbench.report.section import Cell, Grid, Report, Section
from ltbench.report.terminal import WIDTH, bullets, table, underlined, wrapped
from ltbench.results.output_file import write_output


def terminal(report: Report, width: int | None = None) -> str:
    """Return plain text.

    Args:
        report: what to say.
        width: of the longest line; by default that of the terminal, 118 where there is none.
    """
    blocks = [_terminal_section(part, width) for part in report.sections]
    return "\n\n\n".join([*blocks, *(wrapped(note, width) for note in report.notes)]) + "\n"


def _terminal_section(part: Section, width: int | None) -> str:
    title = underlined(part.title, width)
    first, *further = [_terminal_grid(grid, width) for grid in part.grids] or [""]
    findings = "\n".join(wrapped(sentence, width) for sentence in part.findings)
    lead = f"\n{wrapped(part.lead, width)}" if part.lead else ""
    parts = [title + lead, first, findings, *further, bullets(part.notes, width)]
    return "\n\n".join(text for text in parts if text)


def _terminal_grid(grid: Grid, width: int | None) -> str:
    chosen = [i for i, column in enumerate(grid.columns) if not column.wide]
    title = f"{wrapped(grid.title, width)}\n" if grid.title else ""
    return title + table(
        [grid.columns[i].head for i in chosen],
        [[_narrow(row[i]) for i in chosen] for row in grid.body],
        width=width,
        align="".join("l" if grid.columns[i].text else "r" for i in chosen),
        priority=[grid.columns[i].priority for i in chosen],
        elsewhere=f"--format {grid.elsewhere} has them",
    )


def _narrow(cell: str) -> str:
    return cell.narrow if isinstance(cell, Cell) else cell


def markdown(report: Report) -> str:
    """Return GitHub-flavoured Markdown."""
    parts: list[str] = []
    for part in report.sections:
        first, *further = [_markdown_grid(grid) for grid in part.grids] or [""]
        note = "- <sub>{}</sub>" if part.lead or part.findings else "- {}"
        parts += [f"### {markdown_text(part.title)}", markdown_text(part.lead), first]
        parts += [_markdown_list("- {}", part.findings), *further, _markdown_list(note, part.notes)]
    return "\n\n".join(part for part in (*parts, *map(markdown_text, report.notes)) if part) + "\n"


def _markdown_list(form: str, sentences: Sequence[str]) -> str:
    return "\n".join(form.format(markdown_text(sentence)) for sentence in sentences)


def _markdown_grid(grid: Grid) -> str:
    title = [markdown_text(grid.title), ""] if grid.title else []
    head = [markdown_text(cell.replace("\n", " ")) for cell in grid.head]
    lines = [head, ["---" if column.text else "---:" for column in grid.columns]]
    lines += [[markdown_text(cell) for cell in row] for row in grid.body]
    return "\n".join([*title, *(f"| {' | '.join(line)} |" for line in lines)])


def markdown_text(text: str) -> str:
    """Escape what Markdown would take for markup in names; code spans stay."""
    return re.sub(r"([|<>*_\[\]\\])", r"\\\1", text)


def csv(report: Report) -> str:
    """Return the one table, or those of the sections, each below a line ``# title``."""
    if report.frame:
        return csv_text(report.frame())
    return "\n".join(
        f"# {part.title}\n{csv_text(part.frame)}" for part in report.sections if len(part.frame)
    )


def to_json(report: Report) -> str:
    """Return the report's document, or title, rows and notes of its sections; missing is null."""
    document = report.document() if report.document else [
        {
            "title": part.title,
            "rows": json.loads(part.frame.to_json(orient="records", double_precision=12)),
            "notes": part.notes,
        }
        for part in report.sections
    ]  # fmt: skip
    return json_text(_strict(document), indent=2, allow_nan=False) + "\n"


def _strict(value: Any) -> Any:
    """Return a value with what is not finite as ``None``, for strict JSON."""
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def html(report: Report) -> str:
    """Return a page that asks nothing of any network."""
    from ltbench.report.page import page  # templates are slow to import, and rarely wanted

    return page(report)


FORMATS: dict[str, Callable[[Report], str]] = {
    "terminal": terminal,
    "markdown": markdown,
    "csv": csv,
    "json": to_json,
    "latex": latex,
    "html": html,
}


def write(report: Report, format: str, output: Path) -> None:
    """Write a report to a file, making its folder.

    Raises:
        UsageError: the file cannot be written; what was there before stays.
    """
    text = terminal(report, WIDTH) if format == "terminal" else FORMATS[format](report)
    write_output(output, text.encode())
