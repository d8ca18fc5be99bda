"""Evaluations in order, however they are told."""

from __future__ import annotations

import json
import os

import pytest
from ltbench_observers.history import History


def line(step: int, stage: str = "a", seconds: float = 0.0) -> dict:
    return {"stage": stage, "step": step, "seconds": seconds or float(step)}


def write(folder, *records):
    text = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "log.jsonl").write_text(text)


def places(history: History) -> list[tuple[str, int, int]]:
    return [(p.record["stage"], p.record["step"], p.position) for p in history.points]


def test_steps_go_on_from_stage_to_stage(tmp_path):
    history = History(tmp_path)
    assert all(history.add(r) for r in (line(3), line(6), line(3, "b"), line(6, "b")))
    assert [p.position for p in history.points] == [3, 6, 9, 12]


def test_a_stage_without_steps_has_a_place_of_its_own(tmp_path):
    history = History(tmp_path)
    for record in (line(3), line(0, "tau"), line(5, "b")):
        history.add(record)
    assert [p.position for p in history.points] == [3, 4, 9]


def test_what_earlier_attempts_wrote_is_there(tmp_path):
    write(tmp_path, line(3), line(6))
    history = History(tmp_path)
    assert history.add(line(9))
    assert places(history) == [("a", 3, 3), ("a", 6, 6), ("a", 9, 9)]


def test_what_is_told_again_stands_once(tmp_path):
    write(tmp_path, line(3), line(6), line(9))
    history = History(tmp_path)
    assert not history.add(line(6, seconds=60))
    assert places(history) == [("a", 3, 3), ("a", 6, 6)]
    assert history.points[-1].record["seconds"] == 60


def test_a_log_read_whole_before_anything_is_told_gives_each_line_once(tmp_path):
    lines = [line(3), line(6), line(3, "b"), line(6, "b")]
    write(tmp_path, *lines)
    history = History(tmp_path)
    for record in lines:
        history.add(record)
    assert [p.record for p in history.points] == lines
    assert [p.position for p in history.points] == [3, 6, 9, 12]


def test_a_stage_that_stands_twice_is_told_apart_by_the_log(tmp_path):
    lines = [line(3), line(3, "b"), line(6, "b"), line(3, "b", 20.0), line(6, "b", 21.0)]
    history = History(tmp_path)
    for i, record in enumerate(lines, 1):
        write(tmp_path, *lines[:i])
        history.add(record)
    assert [p.record for p in history.points] == lines
    assert [p.position for p in history.points] == [3, 6, 9, 12, 15]


@pytest.mark.parametrize("log", [True, False])
def test_a_run_that_begins_anew_has_nothing_of_the_old(tmp_path, log):
    history = History(tmp_path)
    for record in (line(3), line(6), line(3, "b")):
        history.add(record)
    if log:
        write(tmp_path, line(3))
    assert not history.add(line(3))
    assert places(history) == [("a", 3, 3)]


def test_times_are_the_records_and_end_when_the_log_was_written(tmp_path):
    write(tmp_path, line(3, seconds=10.0), line(6, seconds=30.0))
    os.utime(tmp_path / "log.jsonl", (5000, 5000))
    history = History(tmp_path)
    assert [history.time(point) for point in history.points] == [4980.0, 5000.0]
    history.add(line(9, seconds=70.0))
    assert history.time(history.points[-1]) == 5040.0


def test_a_torn_last_line_of_the_log_is_passed_over(tmp_path):
    write(tmp_path, line(3))
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"stage": "a", "st')
    assert places(History(tmp_path)) == [("a", 3, 3)]
