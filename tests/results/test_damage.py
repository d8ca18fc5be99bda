"""Runs whose files cannot be read: they are no done ones, and what can be done is said."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from synthetic_runs import write_run

from ltbench.errors import UsageError
from ltbench.results.damage import advice, check_result, is_removable
from ltbench.results.folder import write_json
from ltbench.results.index import read_runs

AFTER = "then type the same command again"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "my runs", arrays=False)


def test_a_whole_result_is_one_whoever_wrote_it(run):
    check_result(run)
    result = json.loads((run / "result.json").read_text())
    write_json(run / "result.json", result)
    check_result(run)
    (run / "result.json").write_text(json.dumps(result))
    check_result(run)
    (run / "result.json").unlink()
    check_result(run)


def test_no_beginning_of_a_result_is_taken_for_one(run):
    result = run / "result.json"
    write_json(result, json.loads(result.read_text()))
    whole = result.read_bytes()
    for size in {*range(12), *range(0, len(whole) - 2, 17), *(i for i in range(len(whole) - 2)
                 if whole[i - 2:i] == b"}\n")}:  # fmt: skip
        result.write_bytes(whole[:size])
        with pytest.raises(UsageError, match=AFTER):
            check_result(run)
    result.write_bytes(bytes(len(whole)))
    with pytest.raises(UsageError, match=f"result.json is not JSON: .*{AFTER}"):
        check_result(run)


def test_what_is_advised_is_a_command_for_this_folder_or_none(run, monkeypatch):
    (run / "result.json").write_text('{"test":')
    assert advice(run) == f"`ltbench clean '{run}'` removes it"
    moved = run.with_name("mine")
    run.rename(moved)
    assert not is_removable(moved)
    assert "ltbench clean" not in advice(moved)


def test_what_a_newer_version_wrote_or_cannot_be_opened_is_not_damaged(run):
    spec = json.loads((run / "spec.json").read_text())
    (run / "spec.json").write_text(json.dumps({**spec, "format": 2}))
    assert [found.status for found in read_runs(run)] == ["unreadable"]
    assert not is_removable(run)
    (run / "spec.json").write_text(json.dumps({**spec, "format": None}))
    assert is_removable(run)
    (run / "result.json").unlink()
    os.mkfifo(run / "result.json")  # whoever may read everything cannot open it either
    assert [found.status for found in read_runs(run)] == ["unreadable"]
    assert not is_removable(run)
