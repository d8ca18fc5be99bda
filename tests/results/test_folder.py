from __future__ import annotations

import os

import pytest

from ltbench.results.folder import RunFolder, write_bytes, write_json


def test_a_run_is_done_only_with_its_result(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.start({"a": 1})
    folder.fail({"status": "failed"})
    assert not folder.done
    folder.finish({"test": {}})
    assert folder.done
    assert not folder.error.exists()


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_bytes(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_nan_never_reaches_a_json_file(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_the_log_is_cut_to_what_a_checkpoint_covers(tmp_path):
    folder = RunFolder(tmp_path)
    for step in range(3):
        folder.append_log({"step": step})
    with folder.log.open("a") as file:
        file.write('{"torn')
    folder.cut_log(2)
    assert folder.log.read_text() == '{"step": 0}\n{"step": 1}\n'
