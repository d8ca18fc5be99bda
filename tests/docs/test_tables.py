"""Every line of a table is shown as one: none is cut off by what stands between."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULE = re.compile(r"\|(?: ?:?-+:? ?\|)+")
PAGES = [
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("leaderboards/**/*.md"))
]


def cut_off(text: str) -> list[str]:
    """Return the lines of tables that follow neither a header with its rule nor a line of one."""
    found, fence, before, table = [], "", "", False
    lines = text.splitlines()
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        mark = line.strip()[:3]
        if mark in ("```", "~~~") and fence in ("", mark):
            fence = "" if fence else mark
        elif not fence and line.startswith("|"):
            begins = not before.startswith("|")
            table = bool(RULE.fullmatch(after.strip())) if begins else table
            found += [] if table else [line]
        before = line
    return found


@pytest.mark.parametrize("page", PAGES)
def test_no_line_of_a_table_is_cut_off_it(page: str) -> None:
    assert cut_off((ROOT / page).read_text(encoding="utf-8")) == []


def test_a_line_after_an_empty_one_is_cut_off() -> None:
    table = "| a | b |\n|---|---:|\n| 1 | 2 |\n"
    assert cut_off(table) == []
    assert cut_off(f"{table}\n| 3 | 4 |\n| 5 | 6 |\n") == ["| 3 | 4 |", "| 5 | 6 |"]
    assert cut_off(f"{table}\n```\n| 3 | 4 |\n```\n") == []
