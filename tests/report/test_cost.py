"""What methods cost stands below a table that is asked for it, with the arithmetic right."""

from __future__ import annotations

import json

import pytest
from synthetic_runs import write_run

from ltbench.report.leaderboard import FORMATS, leaderboard_report, load_content
from ltbench.report.provenance import total_time


def put(folder, **facts):
    result = json.loads((folder / "result.json").read_text())
    result |= {"timings": {"total_s": facts.pop("seconds")}} | facts
    (folder / "result.json").write_text(json.dumps(result))


def text_of(root, format_="markdown", **chosen):
    return FORMATS[format_](leaderboard_report(load_content(root), **chosen))


@pytest.fixture
def root(tmp_path):
    for seed, seconds in enumerate((20, 30)):
        whole = {"parameters": 2_500_000, "trainable_parameters": 2_500_000}
        put(write_run(tmp_path, seed=seed), seconds=seconds, peak_memory_mb=600.0, **whole)
        part = {"parameters": 2_500_000, "trainable_parameters": 31_000}
        slow = write_run(tmp_path, algo="boda", seed=seed, skill=0.9)
        put(slow, seconds=2 * seconds + 10, peak_memory_mb=700.4, **part)
    return tmp_path


def test_means_over_seeds_and_times_the_reference(root):
    table = text_of(root, cost=True)
    assert "| cost | seconds | × erm | million parameters | trained | peak MB |" in table
    assert "| boda | 60 | 2.4 | 2.500 | 0.031 | 700 |" in table
    assert "| erm | 25 | 1.0 | 2.500 | 2.500 | 600 |" in table


def test_it_is_there_only_where_it_is_asked_for(root):
    assert "peak MB" not in text_of(root)
    assert all(len(line) <= 118 for line in text_of(root, "terminal", cost=True).splitlines())


def test_a_method_that_is_not_done_has_no_cost(root):
    write_run(root, algo="ldam", seed=0, error="diverged")
    table = text_of(root, cost=True)
    assert "| ldam |" in table
    assert "| ldam |" not in table[table.index("| cost |") :]


def test_a_first_stage_that_several_begin_with_is_computed_once(tmp_path):
    put(write_run(tmp_path), seconds=3600)
    folder = write_run(tmp_path, stages=["crt"])
    put(folder, seconds=5400)
    result = json.loads((folder / "result.json").read_text())
    result["timings"]["taken_over"] = {"seconds": 3600, "run": "digits-mini-mlt/erm/0/seed-0"}
    (folder / "result.json").write_text(json.dumps(result))
    assert total_time(load_content(tmp_path)) == ", 1.5 hours of computation"
    assert "| erm+crt | 5400 |" in text_of(tmp_path, cost=True), "what it takes alone"
