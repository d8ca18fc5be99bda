"""The tables of docs/performance.md, made of the figures that ``bench.py`` wrote.

    python benchmarks/page.py

Each stands between ``<!-- figures: PART -->`` and ``<!-- end -->``; all else on the page is prose.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tabulate import tabulate

FIGURES = Path(__file__).parent / "performance.json"
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
PLACE = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def cell(value: Any) -> str:
    """Return a number with three digits that say something."""
    if not isinstance(value, float):
        return "" if value is None else str(value)
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}"


def table(part: dict[str, Any]) -> str:
    """Return the figures of a part as a table, with what they were measured on."""
    names = list(dict.fromkeys(name for row in part["rows"] for name in row))
    rows = [[cell(row.get(name)) for name in names] for row in part["rows"]]
    numbers = [any(isinstance(row.get(n), float | int) for row in part["rows"]) for n in names]
    align = ["right" if number else "left" for number in numbers]
    text = tabulate(rows, names, tablefmt="pipe", colalign=align, disable_numparse=True)
    on = part["machine"]
    return (
        f"\n{text}\n\n{on['processor']}, {on['cores']} cores ({on['flags']}), "
        f"{on['threads']} thread, torch {on['torch']}, commit {on['commit']}, {on['date']}.\n\n"
    )


def filled(page: str, figures: dict[str, Any]) -> str:
    """Return the page with the table of every part that was measured."""

    def fill(place: re.Match[str]) -> str:
        part = figures.get(place[2])
        return place[0] if part is None else f"{place[1]}{table(part)}{place[3]}"

    return PLACE.sub(fill, page)


def write_page() -> None:
    """Fill docs/performance.md."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), figures), encoding="utf-8")


if __name__ == "__main__":
    write_page()
