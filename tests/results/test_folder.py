from __future__ import annotations

import os
import stat

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
    assert folder.cut_log(2)
    assert folder.log.read_text() == '{"step": 0}\n{"step": 1}\n'


@pytest.mark.parametrize(
    "torn", ['{"step": 0}\n{"st', '{"step": 0}\n', '{"step": 0}\n\n{"step": 2}\n']
)
def test_a_log_that_lacks_lines_of_the_checkpoint_is_not_believed(tmp_path, torn):
    folder = RunFolder(tmp_path)
    folder.log.write_text(torn)
    assert not folder.cut_log(3)
    assert folder.log.read_text() == torn
    assert folder.cut_log(0)
    assert folder.log.read_text() == ""


def test_drafts_of_killed_writers_go_when_the_run_starts(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.latest.parent.mkdir(parents=True)
    (folder.path / ".result.json.x.tmp").touch()
    (folder.latest.parent / ".latest.pt.x.tmp").touch()
    folder.start({"a": 1})
    assert sorted(path.name for path in folder.path.rglob("*")) == ["checkpoint", "spec.json"]


def test_drafts_of_a_killed_writer_go_when_the_run_is_said_to_have_failed(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.start({"a": 1})
    (folder.latest.parent / ".latest.pt.x.tmp").touch()
    folder.fail({"status": "failed"})
    names = sorted(path.name for path in folder.path.rglob("*"))
    assert names == ["checkpoint", "error.json", "spec.json"]


def test_a_specification_that_stands_is_not_written_again(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.start({"a": 1})
    before = folder.spec.stat()
    folder.start({"a": 1})
    assert folder.spec.stat() == before
    folder.spec.write_text("")  # as a power cut may leave it
    folder.start({"a": 1})
    assert '"a": 1' in folder.spec.read_text()


def test_a_done_run_is_tidied_of_everything_that_is_not_part_of_it(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.start({"a": 1})
    folder.finish({"test": {}})
    kept = sorted(path.name for path in folder.path.rglob("*"))
    litter = ("claim", "claim.after-1", "claim.after-1-released", ".claim.1.tmp", ".x.tmp")
    for name in (*litter, "error.json", "checkpoint/latest.pt", "checkpoint/.latest.pt.x.tmp"):
        (folder.path / name).touch()
    folder.tidy()
    assert sorted(path.name for path in folder.path.rglob("*")) == kept


def test_nothing_is_written_to_a_run_that_is_not_ours(tmp_path):
    class Lost(Exception):
        pass

    def guard():
        raise Lost

    folder = RunFolder(tmp_path, guard)
    for write in (
        lambda: folder.start({}),
        lambda: folder.append_log({}),
        lambda: folder.cut_log(0),
        lambda: folder.finish({}),
        lambda: folder.fail({}),
    ):
        with pytest.raises(Lost):
            write()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="names of open files are Linux's")
def test_what_a_done_run_promises_is_on_the_disk_before(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path / "run")
    folder.start({"a": 1})
    folder.append_log({"step": 1})
    write_bytes(folder.best, b"x", sync=None)
    synced, sync = set(), os.fsync

    def note(handle):
        assert not folder.done
        synced.add(os.readlink(f"/proc/self/fd/{handle}").rpartition("/")[2])
        sync(handle)

    monkeypatch.setattr(os, "fsync", note)
    folder.finish({"test": {}})
    assert {"spec.json", "log.jsonl", "best.pt"} < synced


def test_files_have_the_permissions_that_the_user_gives_to_new_files(tmp_path):
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "result.json", {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "result.json").stat().st_mode) == 0o640
