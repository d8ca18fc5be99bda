"""The page of the small problem has a row of every method, and each has learnt there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ltbench.plugins.manager import get_plugins

PAGE = Path(__file__).parents[2] / "docs" / "algorithms" / "digits-mini.md"
FAR_ABOVE_CHANCE = 0.4
NEEDS_WEIGHTS = {"clip-zeroshot"}
"""They answer from what a text tower knows, and the digits' networks have none."""


def learnt() -> dict[str, float]:
    """Return the average accuracy of every method that has a row, by its name as in the row."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        row = re.match(r"\| (`.*`)(?: ¹)? \| (0\.\d{3}) \| 0\.\d{3} \|", line)
        if row:
            names = re.findall(r"`([^`]+)`", row[1])
            found |= dict.fromkeys(names, float(row[2]))
    return found


def parts(methods: dict[str, float]) -> set[str]:
    """Return the names of the algorithms, stages and modifiers of methods."""
    return {name for method in methods for name in re.split(r"[@+]", method)}


@pytest.mark.parametrize("kinds", ["algorithms", "stages", "modifiers"])
def test_every_method_has_a_row(kinds: str) -> None:
    ours = {entry.name for entry in get_plugins()[kinds] if entry.distribution == "ltbench"}
    assert ours - NEEDS_WEIGHTS <= parts(learnt())


def test_every_row_is_of_a_method_that_learnt() -> None:
    found = learnt()
    assert len(found) > 60
    assert {name: score for name, score in found.items() if score < FAR_ABOVE_CHANCE} == {}


def test_the_page_says_of_whom_it_has_no_row() -> None:
    assert not NEEDS_WEIGHTS & parts(learnt())
    assert all(f"`{name}`" in PAGE.read_text(encoding="utf-8") for name in NEEDS_WEIGHTS)
