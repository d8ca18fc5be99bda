"""The pages of the boards say what their rows do, and the rows are runs that their sweeps plan."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2] / "leaderboards"
sys.path.insert(0, str(HERE))

import pages  # noqa: E402

BOARDS = pages.boards()


def test_there_are_boards():
    assert "digits-mini-mlt" in {sweep.stem for sweep in BOARDS}


@pytest.mark.parametrize("sweep", BOARDS, ids=lambda path: path.stem)
def test_page_and_rows_agree(sweep):
    text = sweep.with_suffix(".md").read_text(encoding="utf-8")
    assert pages.MARK in text
    assert text == pages.page(sweep), "python leaderboards/pages.py writes it"


@pytest.mark.parametrize("sweep", BOARDS, ids=lambda path: path.stem)
def test_rows_are_of_the_sweep_whole_and_each_once(sweep):
    planned = {(one["hash"], one["seed"]) for one in pages.planned_runs(sweep)}
    rows = list(pages.read_rows(sweep.with_suffix(".jsonl")))
    keys = [(row["spec"]["hash"], row["spec"]["seed"]) for row in rows]
    ours = {key for key, row in zip(keys, rows, strict=True) if "origin" not in row}
    assert ours <= planned
    assert len(set(keys)) == len(keys)
    for row in rows:
        assert row["date"] if "origin" not in row else row["badge"]
        assert row["predictions"]
        assert len(row["logits_sha256"]) == 64
        assert all(row["result"][name] == row["spec"][name] for name in ("hash", "seed"))


def test_a_page_says_which_runs_are_missing_and_where_if_not_everywhere():
    runs = [(label, dataset, seed) for label in "ab" for dataset in ("x", "y") for seed in (0, 1)]
    planned = {
        (f"{label}-{dataset}", seed): {"label": label, "dataset": dataset, "seed": seed}
        for label, dataset, seed in runs
    }
    assert pages._missing(planned, set(planned)) == ""
    assert pages._missing(planned, set()) == "seeds 0, 1 of `a`, `b`"
    some = {("a-x", 0), ("a-y", 0), ("b-x", 0), ("b-y", 0), ("b-y", 1)}
    assert pages._missing(planned, some) == "seeds 1 of `a`; seeds 1 of `b` on `x`"


def test_a_page_says_whose_runs_were_handed_in():
    (sweep,) = (sweep for sweep in BOARDS if sweep.stem == "digits-mini-mlt")
    row = dict(next(pages.read_rows(sweep.with_suffix(".jsonl"))))
    del row["date"]
    row |= {"origin": "Ada | <Lab>", "badge": "recomputed"}
    assert "| 1 | Ada \\| \\<Lab\\> | " in pages._environments([row])
