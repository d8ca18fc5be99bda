"""metrics.csv in a run's folder, runs.csv beside the runs."""

from __future__ import annotations

import csv
import json

import pytest
from observed_runs import RESULT, make_spec, record

from ltbench.errors import UsageError
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.observer import make_observer


def rows(path, delimiter=","):
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def test_a_row_for_each_evaluation_while_the_run_goes_on(attempt):
    run = attempt("csv").run()
    table = run.folder / "metrics.csv"
    run.evaluated(record(3))
    assert [row["step"] for row in rows(table)] == ["3"]
    run.evaluated(record(6))
    assert rows(table)[1] == {
        "stage": "boda", "step": "6", "total_step": "6", "loss/total": str(2 / 6), "loss/ce": "1.0",
        "val/accuracy_average": "0.06", "lr": "0.001", "seconds": "60.0",
    }  # fmt: skip


def test_a_resumed_run_has_each_row_once(attempt):
    run = attempt("csv").run()
    run.evaluated(record(3), record(6), record(9))
    run.write_log(record(3), record(6))  # the checkpoint covers two lines
    run = attempt("csv").run()
    run.evaluated(record(9, seconds=99.0), record(12))
    run.finished(RESULT)
    table = rows(run.folder / "metrics.csv")
    assert [row["step"] for row in table] == ["3", "6", "9", "12"]
    assert table[2]["seconds"] == "99.0"


def test_an_observer_switched_on_late_has_the_rows_before(attempt):
    run = attempt("csv").run()
    run.write_log(record(3), record(6))
    run.evaluated(record(9))
    assert [row["step"] for row in rows(run.folder / "metrics.csv")] == ["3", "6", "9"]


def test_a_run_with_only_its_test_left_has_its_rows(attempt):
    run = attempt("csv").run()
    run.write_log(record(3), record(6))
    run.finished(RESULT)
    assert [row["step"] for row in rows(run.folder / "metrics.csv")] == ["3", "6"]


def test_a_stage_may_bring_columns(attempt):
    run = attempt("csv").run(make_spec(stages=("crt",)))
    late = {**record(3, "crt"), "losses": {"total": 1.0, "extra": 5.0}}
    run.evaluated(record(3), late, record(6, "crt"))
    table = rows(run.folder / "metrics.csv")
    assert [row["loss/extra"] for row in table] == ["", "5.0", ""]
    assert [row["total_step"] for row in table] == ["3", "6", "9"]


def test_runs_in_progress_at_once_keep_to_their_own_files(attempt):
    sweep = attempt("csv")
    a, b = sweep.run(make_spec(0)), sweep.run(make_spec(1))
    for step in (3, 6):
        a.evaluated(record(step))
        b.evaluated(record(step, seconds=step * 7.0))
    a.finished(RESULT)
    b.evaluated(record(9))
    assert [row["seconds"] for row in rows(a.folder / "metrics.csv")] == ["30.0", "60.0"]
    assert [row["seconds"] for row in rows(b.folder / "metrics.csv")] == ["21.0", "42.0", "90.0"]


def test_an_executor_that_tells_all_at_the_end_leaves_the_same_table(attempt):
    run = attempt("csv").run()
    lines = [record(3), record(6), record(9)]
    run.write_log(*lines)
    for one in lines:
        run.told(one)
    assert [row["seconds"] for row in rows(run.folder / "metrics.csv")] == ["30.0", "60.0", "90.0"]


def test_one_table_over_all_runs_when_the_sweep_ends(attempt, tmp_path):
    sweep = attempt("csv")
    for seed, status in ((0, "done"), (1, "failed"), (2, None)):
        run = sweep.run(make_spec(seed))
        (run.folder / "spec.json").write_text(json.dumps(run.spec.as_dict()))
        result = {**RESULT, "hash": run.spec.hash, "seed": seed, "label": run.spec.label}
        if status == "done":
            (run.folder / "result.json").write_text(json.dumps(result))
        elif status == "failed":
            error = {"status": "failed", "error": "out, of memory"}
            (run.folder / "error.json").write_text(json.dumps(error))
    sweep.finish()
    table = rows(tmp_path / "runs.csv")
    assert [row["status"] for row in table] == ["done", "failed", "unfinished"]
    assert [row["test/accuracy_average"] for row in table] == ["0.75", "", ""]
    assert table[1]["reason"] == "out, of memory"
    assert table[0]["label"] == "boda[weight=0.5]"
    assert (tmp_path / table[0]["folder"] / "result.json").exists()
    assert table[0]["seconds"] == "130.0"


def test_the_separator_is_a_choice(attempt):
    run = attempt("csv[separator=semicolon]").run()
    run.evaluated(record(3))
    assert rows(run.folder / "metrics.csv", ";")[0]["step"] == "3"
    with pytest.raises(UsageError, match="comma, semicolon, tab"):
        make_observer(get_plugins(), "csv[separator=colon]")
