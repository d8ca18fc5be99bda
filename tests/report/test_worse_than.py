"""Wherever a report says that something is worse or better, it says than what."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ltbench.report.leaderboard import load_content, render
from ltbench.report.verdict import verdict
from ltbench.testing.synthetic_runs import write_run

SKILLS = {"erm": 0.6, "boda": 0.9, "focal": 0.3}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for algo, skill in SKILLS.items():
        for seed in range(5):
            write_run(tmp_path, algo=algo, skill=skill, seed=seed, arrays=False)
    return tmp_path


@pytest.mark.parametrize("reference", ["erm", "boda"])
@pytest.mark.parametrize("format", ["terminal", "markdown", "html"])
def test_worse_names_the_reference(runs: Path, format: str, reference: str) -> None:
    report = render(runs, format=format, reference=reference)
    text = " ".join(re.sub(r"<[^>]*>", " ", report).split())
    marks = re.findall(r"[^.;:(]*\bworse\b[^.;:)]*", text)
    assert marks
    for words in marks:
        assert f"worse than {reference}" in words


def test_a_verdict_names_the_reference(runs: Path) -> None:
    (board,) = load_content([runs], reference="erm").boards
    sentences = [line for line in verdict(board) if re.search(r"worse|better|higher", line)]
    assert sentences
    assert all("erm" in line for line in sentences)
