"""The record of a sweep: complete, whole on the disk, and quick however many runs there are."""

from __future__ import annotations

import json
import os
import time

from ltbench.session.record import PlannedRun, write_record


def planned(count: int) -> list[PlannedRun]:
    return [
        PlannedRun(f"data/erm/{i:012x}/seed-0", f"erm[x={i}]", "data", "erm", 0, 300)
        for i in range(count)
    ]


def test_it_holds_what_status_needs(tmp_path):
    runs = [*planned(1), PlannedRun("data/é/0/seed-1", "é", "data", "é", 1, 600, 12.5)]
    path = write_record(tmp_path, ["ltbench", "run"], runs, slots=2)
    record = json.loads(path.read_text())
    assert record["format"] == 1
    assert record["command"] == ["ltbench", "run"]
    assert (record["slots"], record["pid"]) == (2, os.getpid())
    assert record["host"]
    assert record["started"].endswith("+00:00")
    assert record["runs"][0]["estimate_s"] is None
    assert record["runs"][1] == {
        "folder": "data/é/0/seed-1", "label": "é", "dataset": "data", "algo": "é",
        "seed": 1, "steps": 600, "estimate_s": 12.5,
    }  # fmt: skip


def test_the_same_runs_have_one_record_in_whatever_order(tmp_path):
    first = write_record(tmp_path, ["a"], planned(3), slots=1)
    again = write_record(tmp_path, ["b"], planned(3)[::-1], slots=1)
    other = write_record(tmp_path, ["a"], planned(2), slots=1)
    assert first == again != other
    assert sorted(tmp_path.rglob("*.json")) == sorted([first, other])
    assert not list(tmp_path.rglob("*.tmp"))


def test_ten_thousand_runs_take_well_under_a_second(tmp_path):
    runs = planned(10_000)
    began = time.process_time()
    path = write_record(tmp_path, ["ltbench"], runs, slots=8)
    assert time.process_time() - began < 1
    assert len(json.loads(path.read_text())["runs"]) == 10_000
