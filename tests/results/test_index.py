"""The run index: faster, never different."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from synthetic_runs import write_run

from ltbench.results import index
from ltbench.results.index import index_file, read_runs


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for seed in range(3):
        write_run(tmp_path, seed=seed, arrays=False)
    return tmp_path


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    read: list[Path] = []
    original = index._read_documents
    monkeypatch.setattr(index, "_read_documents", lambda f: read.append(f) or original(f))
    return read


def test_only_what_changed_is_read_again(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read_runs(runs)
    read = count_reads(monkeypatch)
    assert read_runs(runs) == first
    assert read == []
    changed = Path(first[1].path)
    result = json.loads((changed / "result.json").read_text())
    result["test"]["accuracy_average"] = 0.123456
    (changed / "result.json").write_text(json.dumps(result))
    assert read_runs(runs)[1].test["accuracy_average"] == 0.123456
    assert read == [changed]


def test_deleting_it_loses_nothing(runs: Path) -> None:
    first = read_runs(runs)
    index_file(runs).unlink()
    assert read_runs(runs) == first


def test_runs_that_are_gone_are_forgotten(runs: Path) -> None:
    first = read_runs(runs)
    for file in Path(first[0].path).iterdir():
        file.unlink()
    assert read_runs(runs) == first[1:]
    with closing(sqlite3.connect(index_file(runs))) as database, database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (2,)


@pytest.mark.parametrize("content", [b"", b"not a database at all, only some bytes", b"SQLite"])
def test_a_broken_index_is_made_anew(runs: Path, content: bytes) -> None:
    first = read_runs(runs)
    index_file(runs).write_bytes(content)
    assert read_runs(runs) == first
    read_runs(runs)
    with closing(sqlite3.connect(index_file(runs))) as database, database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (3,)


def test_nonsense_in_the_index_is_not_believed(runs: Path) -> None:
    first = read_runs(runs)
    with closing(sqlite3.connect(index_file(runs))) as database, database:
        database.execute("UPDATE runs SET documents = '[]' WHERE rowid = 1")
        database.execute("UPDATE runs SET documents = '{\"spec\": 3}' WHERE rowid = 2")
    statuses = [run.status for run in read_runs(runs)]
    assert statuses.count("done") >= len(first) - 1


def test_another_version_of_the_index_is_replaced(runs: Path) -> None:
    first = read_runs(runs)
    with closing(sqlite3.connect(index_file(runs))) as database, database:
        database.execute("PRAGMA user_version = 99")
        database.execute("ALTER TABLE runs RENAME COLUMN stamp TO other")
    assert read_runs(runs) == first
    assert read_runs(runs) == first


def test_a_folder_that_cannot_be_written_is_read_all_the_same(runs: Path) -> None:
    # Root may write anywhere, so it reads as another user; pytest's own folders are private.
    with tempfile.TemporaryDirectory() as name:
        shared = Path(name) / "runs"
        shutil.copytree(runs, shared)
        for folder in (Path(name), shared):
            folder.chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            assert len(read_runs(shared)) == 3
            assert list(shared.glob(".*")) == []
        finally:
            if root:
                os.seteuid(0)
            for folder in (Path(name), shared):
                folder.chmod(0o755)


def test_a_locked_index_costs_time_and_nothing_else(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read_runs(runs)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **{**k, "timeout": 0.05}))
    write_run(runs, seed=9, arrays=False)
    holder = connect(index_file(runs))
    holder.execute("BEGIN EXCLUSIVE")
    assert len(read_runs(runs)) == len(first) + 1
    holder.rollback()
    holder.close()


def test_many_processes_at_once(tmp_path: Path) -> None:
    for seed in range(30):
        write_run(tmp_path, seed=seed, arrays=False)
    command = "import sys, pathlib; from ltbench.results.index import read_runs; "
    command += "print(len(read_runs(pathlib.Path(sys.argv[1]))))"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", command, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    assert [process.communicate()[0].strip() for process in processes] == ["30"] * 4
    assert len(read_runs(tmp_path)) == 30
