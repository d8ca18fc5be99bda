"""What reports say of runs that learnt on the test images, without their labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from synthetic_runs import write_run

from ltbench.report.before_test import before_test_lines
from ltbench.report.document import rows_frame
from ltbench.report.leaderboard import load_content, render

BEFORE = {
    "augmentations": ["simclr", "simclr"],
    "images": 1200,
    "passes": 5,
    "learnt": {"experts": [0.25, 0.5, 0.25]},
}


def learnt(folder: Path, before: Any = None) -> None:
    path = folder / "result.json"
    result = json.loads(path.read_text())
    path.write_text(json.dumps({**result, "before_test": BEFORE if before is None else before}))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for seed in range(2):
        write_run(tmp_path, algo="erm", seed=seed, arrays=False)
        learnt(write_run(tmp_path, algo="sade", seed=seed, arrays=False))
    return tmp_path


def test_a_board_says_which_methods_are_transductive(runs: Path) -> None:
    note = "Transductive: sade learnt on the test images, without their labels, before the test."
    assert f"{note} The others saw none of them." in " ".join(render(runs).split())
    for format in ("markdown", "json", "html", "latex"):
        assert "Transductive: sade learnt on the test images" in render(runs, format=format)
    frame = rows_frame(load_content(runs))
    assert dict(zip(frame["method"], frame["transductive"], strict=True)) == {
        "erm": False,
        "sade": True,
    }
    assert "The others" not in render(runs, algos=["sade"])


def test_a_board_without_any_says_nothing(runs: Path) -> None:
    assert "Transductive" not in render(runs, algos=["erm"])
    assert "transductive" not in rows_frame(load_content(runs, algos=["erm"]))


def test_one_seed_is_enough_to_say_so(tmp_path: Path) -> None:
    write_run(tmp_path, algo="sade", seed=0, arrays=False)
    learnt(write_run(tmp_path, algo="sade", seed=1, arrays=False))
    assert "Transductive: sade" in render(tmp_path)


def test_the_page_of_a_run_says_what_it_learnt() -> None:
    assert before_test_lines({"before_test": BEFORE}) == [
        "Transductive: before the test it learnt on 1,200 test images, without their labels, in 5 "
        "passes: experts 0.25 0.5 0.25"
    ]
    assert before_test_lines({}) == []
    assert before_test_lines({"before_test": {"members": 3}}) == [
        "Transductive: 3 of its runs learnt on the test images"
    ]


@pytest.mark.parametrize(
    "before",
    [
        "yes", 3, [], {"images": "many"}, {"learnt": [1]}, {"passes": [2], "learnt": {"a": {}}},
        {"learnt": {"\x1b[31m": ["\x1b[2J", None, True, 1e999]}}, {"learnt": {"w": [0.5] * 10_000}},
    ],
)  # fmt: skip
def test_whatever_a_file_says_is_read(tmp_path: Path, before: Any) -> None:
    learnt(write_run(tmp_path, algo="sade", arrays=False), before)
    assert "sade" in render(tmp_path)
    (text,) = before_test_lines({"before_test": before}) or [""]
    assert "\x1b" not in text
    assert len(text) < 300
