"""Weights & Biases, offline: the files that it would send later, read back."""

from __future__ import annotations

import json
import struct
import time

import pytest
from observed_runs import RESULT, make_spec, record

from ltbench.errors import UsageError
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.observer import make_observer

pytest.importorskip("wandb", reason="wandb is not installed: pip install 'ltbench[wandb]'")

BLOCK = 32768  # the file is a log of LevelDB's kind: blocks of chunks, a record in one or several


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    import wandb

    wandb.teardown()  # it reads the environment once
    yield
    wandb.teardown()


def records(path):
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, parts = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = BLOCK - at % BLOCK
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(parts)
            parts = b""


def items(part):
    return {(i.key or "/".join(i.nested_key)): json.loads(i.value_json) for i in part}


class Offline:
    """What one run's offline folder holds."""

    def __init__(self, folder):
        (path,) = (folder / "wandb").glob("offline-run-*/run-*.wandb")
        found = list(records(path))
        (run,) = (r.run for r in found if r.WhichOneof("record_type") == "run")
        self.run, self.config = run, items(run.config.update)
        self.history = [items(r.history.item) for r in found if r.HasField("history")]
        self.summary = {}
        for r in found:
            if r.HasField("summary"):
                self.summary |= items(r.summary.update)
        (self.exit_code,) = (r.exit.exit_code for r in found if r.HasField("exit"))


def test_a_run_is_a_wandb_run_with_its_identity_as_config(attempt):
    sweep = attempt("wandb[project=moths,entity=team]")
    run = sweep.run(make_spec(seed=2))
    run.evaluated(record(3), record(6))
    run.finished(RESULT)
    sweep.finish()
    found = Offline(run.folder)
    assert (found.run.project, found.run.entity) == ("moths", "team")
    assert found.run.run_id == f"{run.spec.hash}-2"
    assert found.run.run_group == run.spec.hash
    assert found.run.display_name == "boda[weight=0.5] on tiny-mlt seed 2"
    identity = json.loads(json.dumps(run.spec.identity()))
    assert {name: found.config[name] for name in identity} == identity
    assert found.config["seed"] == 2
    assert [row["_step"] for row in found.history] == [3, 6]
    assert found.history[1]["val/accuracy_average"] == 0.06
    assert found.history[1]["seconds"] == 60.0
    assert found.summary["test/accuracy_average"] == 0.75
    assert found.summary["status"] == "done"
    assert found.exit_code == 0


def test_a_resumed_run_is_one_folder_with_each_point_once(attempt):
    sweep = attempt("wandb")
    run = sweep.run()
    run.evaluated(record(3), record(6), record(9))
    run.finished({"status": "interrupted"})
    sweep.finish()
    first = Offline(run.folder)
    assert first.exit_code == 1
    run.write_log(record(3), record(6))
    sweep = attempt("wandb")
    run = sweep.run()
    run.evaluated(record(9), record(12))
    run.finished(RESULT)
    sweep.finish()
    found = Offline(run.folder)
    assert found.run.run_id == first.run.run_id
    assert [row["_step"] for row in found.history] == [3, 6, 9, 12]
    assert found.exit_code == 0


def test_times_are_the_records_not_the_clocks(attempt):
    sweep = attempt("wandb")
    run = sweep.run()
    lines = [record(3, seconds=100.0), record(6, seconds=350.5)]
    run.write_log(*lines)
    for one in lines:
        run.told(one)
    run.finished(RESULT)
    sweep.finish()
    times = [row["_timestamp"] for row in Offline(run.folder).history]
    assert times[1] - times[0] == pytest.approx(250.5)


def test_runs_in_progress_at_once_keep_to_their_own(attempt):
    sweep = attempt("wandb")
    a, b = sweep.run(make_spec(0)), sweep.run(make_spec(1))
    for step in (3, 6):
        a.evaluated(record(step))
        b.evaluated(record(step + 1))
    a.finished(RESULT)
    b.finished({"status": "failed", "error": "out of memory"})
    sweep.finish()
    assert [row["_step"] for row in Offline(a.folder).history] == [3, 6]
    assert [row["_step"] for row in Offline(b.folder).history] == [4, 7]
    assert Offline(b.folder).summary["error"] == "out of memory"
    assert (Offline(a.folder).exit_code, Offline(b.folder).exit_code) == (0, 1)


def test_a_run_that_a_sweep_broke_off_is_finished_as_failed(attempt):
    sweep = attempt("wandb")
    run = sweep.run()
    run.evaluated(record(3))
    sweep.finish()
    assert Offline(run.folder).exit_code == 1


def test_a_server_that_does_not_answer_holds_nothing_up(attempt, monkeypatch):
    import wandb

    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    for what in ("GRAPHQL", "FILE_STREAM", "FILE_TRANSFER"):  # the test's end waits for all of them
        monkeypatch.setenv(f"WANDB_X_{what}_RETRY_MAX", "10")
        monkeypatch.setenv(f"WANDB_X_{what}_RETRY_WAIT_MAX_SECONDS", "1")
    wandb.teardown()
    monkeypatch.setattr(wandb, "login", lambda **_: True)  # which asks the server for seconds
    sweep = attempt("wandb[wait=2]")
    run = sweep.run()
    began = time.monotonic()
    for step in range(1, 200):
        run.evaluated(record(step))
    run.finished(RESULT)
    assert time.monotonic() - began < 5
    sweep.plugins.call("ltbench_sweep_finished")
    assert time.monotonic() - began < 10
    (problem,) = sweep.plugins.problems()
    assert "after 2 s" in problem
    assert "wandb sync" in problem


def test_without_an_api_key_it_says_what_to_type(monkeypatch, tmp_path):
    import wandb

    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    wandb.teardown()
    with pytest.raises(UsageError, match="wandb login"):
        make_observer(get_plugins(), "wandb")
