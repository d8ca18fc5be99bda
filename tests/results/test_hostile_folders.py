"""Folders of runs that somebody made to harm who reads them: nothing waits, nothing is believed."""

from __future__ import annotations

import io
import json
import os
import resource
import socket
import sqlite3
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from synthetic_runs import write_run

from ltbench.errors import DataError
from ltbench.results.claim import find_owner
from ltbench.results.documents import read_data_facts, read_features, read_predictions
from ltbench.results.folder import LOGITS, RunFolder
from ltbench.results.index import index_file, read_runs
from ltbench.results.logits import read_logits
from ltbench.results.states import read_last_line, read_states
from ltbench.results.sweeps import SWEEPS
from ltbench.results.untrusted import UnreadableRun, read_json, read_log
from ltbench.session.temperature import run_temperature

pytestmark = pytest.mark.filterwarnings("error")


def status(root: Path, seconds: float = 30.0) -> str:
    command = [sys.executable, "-m", "ltbench", "status", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True)
    return done.stdout


HOSTILE_INDEX = {
    "a view that never ends": "CREATE VIEW runs AS WITH RECURSIVE n(path) AS (SELECT 1 UNION ALL "
    "SELECT path + 1 FROM n) SELECT path, '' AS stamp, '' AS standing, '' AS documents FROM n",
    "a trigger": "CREATE TABLE runs (path TEXT PRIMARY KEY, stamp TEXT, standing TEXT, documents "
    "TEXT); CREATE TRIGGER t AFTER INSERT ON runs BEGIN INSERT INTO runs WITH RECURSIVE n(x) AS "
    "(SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x, x, x, x FROM n; END",
    "a computed column": "CREATE TABLE runs (path TEXT PRIMARY KEY, stamp TEXT, standing TEXT, "
    "documents TEXT AS (hex(zeroblob(900000000))) VIRTUAL)",
}


def plant(path: Path, script: str, version: int) -> None:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(script)
        database.execute(f"PRAGMA user_version = {version}")


@pytest.mark.parametrize("kind", HOSTILE_INDEX)
@pytest.mark.parametrize("version", [4, 5])
def test_an_index_beside_the_runs_is_neither_read_nor_written(
    tmp_path: Path, kind: str, version: int
) -> None:
    write_run(tmp_path, seed=0, arrays=False)
    write_run(tmp_path, seed=1, arrays=False)
    old = tmp_path / ".index.sqlite"
    plant(old, HOSTILE_INDEX[kind], version)
    before = old.read_bytes()
    assert "2 of 2 runs done" in status(tmp_path)
    assert len(read_runs(tmp_path)) == 2
    assert old.read_bytes() == before


def test_rows_beside_the_runs_are_not_believed(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0, arrays=False)
    read_runs(tmp_path)
    own = index_file(tmp_path)
    with closing(sqlite3.connect(own)) as database, database:
        database.execute("UPDATE runs SET standing = replace(standing, '\"done\"', '\"failed\"')")
    own.rename(tmp_path / ".index.sqlite")
    assert [run.status for run in read_runs(tmp_path, scores=False)] == ["done"]


@pytest.mark.parametrize("kind", HOSTILE_INDEX)
def test_nor_is_another_schema_in_the_cache_which_may_be_shared(tmp_path: Path, kind: str) -> None:
    write_run(tmp_path, seed=0, arrays=False)
    read_runs(tmp_path)
    with closing(sqlite3.connect(index_file(tmp_path))) as database:
        (version,) = database.execute("PRAGMA user_version").fetchone()
    plant(index_file(tmp_path), HOSTILE_INDEX[kind], version)
    for _ in range(2):
        assert "1 of 1 run" in status(tmp_path)
    read_runs(tmp_path)
    with closing(sqlite3.connect(index_file(tmp_path))) as database:
        assert database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (2,)
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (1,)


def test_a_file_exchanged_for_one_of_the_same_size_and_time_is_read_anew(tmp_path: Path) -> None:
    folder = write_run(tmp_path, seed=0, arrays=False)
    file = folder / "result.json"
    (first,) = read_runs(tmp_path)
    state, text = file.stat(), file.read_text()
    other = json.loads(text)
    other["test"]["accuracy_average"] = 0.25
    draft = json.dumps(other)
    file.write_text(draft + " " * (len(text) - len(draft)))
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert file.stat().st_size == state.st_size
    (second,) = read_runs(tmp_path)
    assert second.test["accuracy_average"] == 0.25 != first.test["accuracy_average"]


def test_a_link_to_nowhere_hides_no_other_run(tmp_path: Path) -> None:
    for seed in range(3):
        folder = write_run(tmp_path, seed=seed, arrays=False)
    (folder / "error.json").symlink_to("nowhere")
    (folder.parent / "spec.json").symlink_to("nowhere")
    (tmp_path / "result.json").symlink_to("nowhere")
    found = {run.path: run.status for run in read_runs(tmp_path)}
    assert found.pop(str(folder.parent)) == "unreadable"  # it has a spec.json, which is nowhere
    assert list(found.values()) == ["done"] * 3


def make_socket(path: Path) -> None:
    there = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:  # by a short name, as these are limited
        made.bind(f"/proc/self/fd/{there}/{path.name}")
    os.close(there)


SPECIAL: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "socket": make_socket,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "terminal": lambda path: path.symlink_to("/dev/tty"),
    "folder": Path.mkdir,
}
FILES = ("spec.json", "result.json", "error.json", "log.jsonl", "claim", "predictions.npz",
         "features.npz", "logits.npz")  # fmt: skip


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    for name in FILES:
        folder = write_run(tmp_path, seed=FILES.index(name), finished=name in FILES[-3:])
        (folder / name).unlink(missing_ok=True)
        SPECIAL[kind](folder / name)
    (tmp_path / SWEEPS).mkdir()
    SPECIAL[kind](tmp_path / SWEEPS / "0123.json")
    text = status(tmp_path)
    assert "unreadable" in text
    states = {Path(run.path).name: run for run in read_states(tmp_path).runs}
    for seed, name in enumerate(FILES[:3]):
        assert "not a regular file" in states[f"seed-{seed}"].reason, name
    for run in states.values():
        read_last_line(Path(run.path))
        list(read_log(Path(run.path)))
        find_owner(Path(run.path))
    for seed, read in (
        (5, read_predictions), (6, read_features), (7, lambda folder: read_logits(folder, "test"))
    ):  # fmt: skip
        with pytest.raises(DataError, match="regular file"):
            read(Path(states[f"seed-{seed}"].path))
    for command in ("leaderboard", "report", "show"):
        arguments = [states["seed-1"].path] if command == "show" else [str(tmp_path)]
        output = ["-o", str(tmp_path / "page.html")] if command == "report" else []
        done = subprocess.run(
            [sys.executable, "-m", "ltbench", command, *arguments, *output],
            capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode in (0, 1, 2), done.stderr
        assert "Traceback" not in done.stderr


def test_a_run_does_not_write_through_a_link_or_into_a_pipe(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.start({"a": 1})
    secret = tmp_path / "secret"
    secret.write_text("")
    folder.log.symlink_to(secret)
    folder.spec.unlink()
    os.mkfifo(folder.spec)
    folder.start({"a": 1})
    assert json.loads(folder.spec.read_text()) == {"a": 1}
    assert folder.cut_log(0)
    folder.append_log({"b": 2})
    assert secret.read_text() == ""
    folder.log.unlink()
    os.mkfifo(folder.log)
    assert folder.cut_log(0)
    folder.append_log({"b": 2})
    assert json.loads(folder.log.read_text()) == {"b": 2}


def test_a_file_larger_than_any_document_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UnreadableRun, match="larger than 256 MB"):
        read_json(path)


@pytest.mark.parametrize("text", ['{"a": ' * 65 + "1" + "}" * 65, '{"a": [' * 40 + "]}" * 40])
def test_depth_is_bounded(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(UnreadableRun, match="64 levels"):
        read_json(path)
    (tmp_path / "log.jsonl").write_text(f'{{"step": 1}}\n{text}\n{{"step": 2}}\n')
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2]
    path.write_text(json.dumps({"brackets in a text": "[" * 999, "more": [[[]], [[]]]}))
    assert read_json(path) is not None


@pytest.mark.parametrize("seed", [-1, 2**63, 2**64, 10**400, True, 1.0])
def test_a_seed_that_fits_no_column_makes_a_run_unreadable(tmp_path: Path, seed: object) -> None:
    folder = write_run(tmp_path, seed=0, arrays=False)
    for name in ("spec.json", "result.json"):
        document = json.loads((folder / name).read_text())
        document["seed"] = seed
        (folder / name).write_text(json.dumps(document))
    (record,) = read_runs(tmp_path)
    assert (record.status, "seed" in record.reason) == ("unreadable", True)


def npz(path: Path, header: str, content: bytes = b"") -> None:
    """Write predictions whose classes have a header of one's own."""
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(4, np.int32))
    plain = buffer.getvalue()
    made = header.encode().ljust(117) + b"\n"
    odd = b"\x93NUMPY\x01\x00" + len(made).to_bytes(2, "little") + made + content
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("class", "domain", "prediction"):
            archive.writestr(f"{name}.npy", odd if name == "class" else plain)


HEADERS = {
    "48 GiB": "{'descr': '<i8', 'fortran_order': False, 'shape': (6442450944,)}",
    "negative": "{'descr': '<i4', 'fortran_order': False, 'shape': (-4,)}",
    "overflowing": "{'descr': '<i4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
    "of objects": "{'descr': '|O', 'fortran_order': False, 'shape': (4,)}",
    "of nothing": "{'descr': '|V0', 'fortran_order': False, 'shape': (4611686018427387904,)}",
    "of a nested kind": "{'descr': [('a', '<i4', (1 << 40,))], 'fortran_order': False, "
    "'shape': (4,)}",
    "deep": "(" * 90,
    "a call": "__import__('os').system('true')",
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_header_of_an_array_is_not_believed(tmp_path: Path, kind: str) -> None:
    npz(tmp_path / "predictions.npz", HEADERS[kind], b"\0" * 16)
    with pytest.raises(DataError, match=r"predictions\.npz is not an archive of plain arrays"):
        read_predictions(tmp_path)


def peak_mb(code: str, *arguments: str) -> float:
    """Return the largest memory of a process that may have 3 GiB at most."""
    full = f"{code}; print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    done = subprocess.run(
        [sys.executable, "-c", full, *arguments], capture_output=True, text=True, check=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30)),
    )  # fmt: skip
    return float(done.stdout.split()[-1]) / 1024


READ = (
    "import sys, pathlib; from ltbench.errors import DataError;"
    "from ltbench.results.documents import read_predictions\n"
    "try: read_predictions(pathlib.Path(sys.argv[1]))\n"
    "except DataError: pass\n"
    "else: raise SystemExit('it was read')\n"
    "import ltbench"
)


@pytest.mark.parametrize(
    "labels", [[0, 2**31 - 1], [0, 2**62], [0, 300_000]], ids=["31 bits", "62 bits", "300,000"]
)
@pytest.mark.parametrize("which", ["class", "domain", "prediction"])
def test_absurd_labels_are_refused_before_anything_is_counted(
    tmp_path: Path, labels: list[int], which: str
) -> None:
    folder = write_run(tmp_path)
    arrays = {name: np.zeros(2, np.int64) for name in ("class", "domain", "prediction")}
    arrays[which] = np.asarray(labels)
    np.savez(folder / "predictions.npz", **arrays)
    with pytest.raises(DataError, match="no data set has"):
        read_predictions(folder)


@pytest.mark.parametrize("images", [[-1, 3], [2**62, 2**62], [20_000_000, 20_000_000]])
def test_numbers_of_images_that_there_cannot_be_are_refused(
    tmp_path: Path, images: list[int]
) -> None:
    folder = write_run(tmp_path, domains=["one"], classes=2)
    read_data_facts(folder)
    spec = json.loads((folder / "spec.json").read_text())
    spec["data"]["counts"]["train"] = [images]
    (folder / "spec.json").write_text(json.dumps(spec))
    with pytest.raises(DataError, match="'data' does not hold domains, classes and counts"):
        read_data_facts(folder)


def test_no_temperature_is_fitted_on_a_pipe_nor_is_it_waited_for(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    (folder / LOGITS).unlink()
    os.mkfifo(folder / LOGITS)

    def release() -> None:
        with suppress(OSError):  # nobody waits
            os.close(os.open(folder / LOGITS, os.O_WRONLY | os.O_NONBLOCK))

    timer = threading.Timer(2, release)
    timer.start()
    assert run_temperature(folder).why_not == "the run keeps no logits"
    timer.cancel()


def test_labels_whose_pairs_are_too_many_are_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    many = np.asarray([0, 100_000])
    np.savez(folder / "predictions.npz", **{"class": many, "domain": many, "prediction": many})
    with pytest.raises(DataError, match="no data set has"):
        read_predictions(folder)


def test_an_archive_that_unpacks_to_gigabytes_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "predictions.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("class", "domain", "prediction", "confidence", "unasked"):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                header = io.BytesIO()
                np.lib.format.write_array_header_1_0(
                    header, {"descr": "|u1", "fortran_order": False, "shape": (2**29,)}
                )
                file.write(header.getvalue())
                for _ in range(2**9):
                    file.write(b"\0" * 2**20)
    assert peak_mb(READ, str(tmp_path)) < 400
