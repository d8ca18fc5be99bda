"""What is named after a sweep: the page, and whether the seeds are enough where they are few."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ltbench.cli.printing import FEW_SEEDS, next_commands


def done(**seeds):
    dataset = SimpleNamespace(name="pacs-mlt")
    return [
        SimpleNamespace(spec=SimpleNamespace(dataset=dataset, hash=method, seed=seed))
        for method, count in seeds.items()
        for seed in range(count)
    ]


@pytest.mark.parametrize(("seeds", "words"), [(1, "1 seed "), (5, "5 seeds "), (9, "9 seeds ")])
def test_few_seeds_are_asked_about(seeds, words):
    *first, last = next_commands(Path("runs"), done(erm=FEW_SEEDS, boda=seeds))
    assert first == [
        "ltbench leaderboard runs -o leaderboard.md",
        "ltbench report runs -o report.html",
    ]
    assert last.startswith("ltbench stats runs --power 2  # ")
    assert words in last


def test_many_seeds_or_none_are_not():
    assert len(next_commands(Path("runs"), done(erm=FEW_SEEDS))) == 2
    assert len(next_commands(Path("runs"), [])) == 2


def test_the_folder_can_be_typed():
    assert next_commands(Path("my runs"), [])[0].startswith("ltbench leaderboard 'my runs' -o")
