"""How runs stand, and how long they will take."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest
from synthetic_runs import write_run

from ltbench.results import forecast, holders
from ltbench.results.index import read_runs
from ltbench.results.process import machine
from ltbench.results.run import RunRecord
from ltbench.results.states import Overview, read_last_line, read_overview, read_states

sys.path.insert(0, str(Path(__file__).parent))
from standing import abandon, foreign_claim, holder, plan

HOST = platform.node()
DEAD = 2**22 + 5  # beyond the greatest number of a process
ERM = "digits-mini-mlt/erm/007ebc172266"


def only(root: Path) -> RunRecord:
    (run,) = read_states(root).runs
    return run


def states(root: Path) -> dict[int, str]:
    return {run.seed: run.status for run in read_states(root).runs}


@pytest.mark.parametrize(
    ("made", "state"),
    [({}, "done"), ({"error": "failed"}, "failed"), ({"error": "diverged"}, "diverged"),
     ({"finished": False}, "broken-off")],
)  # fmt: skip
def test_what_lies_in_the_folder_says_how_a_run_stands(tmp_path, made, state):
    folder = write_run(tmp_path, arrays=False, **made)
    run = only(tmp_path)
    assert (run.status, run.path, run.label) == (state, str(folder), "erm")
    assert run.reason == ("RuntimeError: loss is NaN" if "error" in made else "")


@pytest.mark.parametrize("made", [{"finished": False}, {"error": "failed"}])
def test_a_run_is_running_while_its_holder_lives(tmp_path, made):
    folder = write_run(tmp_path, **made)
    process = holder(folder)
    try:
        run = only(tmp_path)
        assert run.status == "running"
        assert run.holder is not None
        assert (run.holder.pid, run.holder.here) == (process.pid, True)
    finally:
        process.kill()
        process.wait()
    assert only(tmp_path).status == ("failed" if "error" in made else "broken-off")


def test_a_holder_elsewhere_is_believed_for_a_while(tmp_path, monkeypatch):
    folder = write_run(tmp_path, finished=False)
    foreign_claim(folder)
    os.utime(folder / "claim", (1, 1))  # its modification time is a count, not a time
    run = only(tmp_path)
    assert run.status == "running"
    assert str(run.holder).startswith("process 42 on node7, last sign ")
    now = time.time()
    monkeypatch.setattr(holders.time, "time", lambda: now + holders.SILENT_S + 5)
    assert only(tmp_path).status == "broken-off"


def test_a_torn_claim_hides_no_run(tmp_path):
    folder = write_run(tmp_path, finished=False)
    (folder / "claim").write_bytes(b'{"token": "a')
    assert only(tmp_path).status == "running"
    assert str(only(tmp_path).holder).startswith("last sign ")


def test_planned_runs_wait_until_they_begin(tmp_path):
    write_run(tmp_path, seed=0, arrays=False)
    plan(tmp_path, [f"{ERM}/seed-{seed}" for seed in range(4)], pid=os.getpid(), host=HOST)
    process = holder(tmp_path / ERM / "seed-2")  # it has a claim and no specification yet
    try:
        overview = read_states(tmp_path)
        assert [run.status for run in overview.runs] == ["done", "waiting", "running", "waiting"]
        assert all(run.expected for run in overview.runs if run.status == "waiting")
        assert len(overview.active) == 1
    finally:
        process.kill()
        process.wait()


def test_of_a_command_that_is_gone_what_waits_is_expected_by_nobody(tmp_path):
    plan(tmp_path, [f"{ERM}/seed-0"], pid=DEAD, host=HOST)
    overview = read_states(tmp_path)
    assert overview.active == []
    assert [(run.status, run.expected) for run in overview.runs] == [("waiting", False)]
    assert overview.runs[0].sweep is overview.sweeps[0]


def test_a_number_that_another_process_got_since_is_not_the_command(tmp_path):
    plan(tmp_path, [f"{ERM}/seed-0"], pid=os.getpid(), host=HOST, start="1")
    assert read_states(tmp_path).active == []


def test_of_a_command_of_an_older_version_only_its_runs_can_tell(tmp_path):
    folder = write_run(tmp_path, seed=0, finished=False)
    record = plan(tmp_path, [str(folder.relative_to(tmp_path))], pid=os.getpid(), host=HOST)
    document = json.loads(record.read_text())
    del document["machine"], document["start"]
    record.write_text(json.dumps(document))
    assert read_states(tmp_path).active == []
    foreign_claim(folder)
    assert len(read_states(tmp_path).active) == 1


def test_a_command_elsewhere_is_at_work_while_one_of_its_runs_is_held(tmp_path):
    folder = write_run(tmp_path, seed=0, finished=False)
    names = [str(folder.relative_to(tmp_path)), f"{ERM}/seed-1"]
    plan(tmp_path, names, pid=5, host="node7")
    assert read_states(tmp_path).active == []
    foreign_claim(folder)
    assert len(read_states(tmp_path).active) == 1
    assert states(tmp_path) == {0: "running", 1: "waiting"}


def test_what_a_command_at_work_will_come_to_waits_again(tmp_path):
    old, new, begun = (
        write_run(tmp_path, seed=0, error="failed"),
        write_run(tmp_path, seed=1, error="failed"),
        write_run(tmp_path, seed=2, finished=False),
    )
    os.utime(old / "error.json", (time.time() - 3600,) * 2)
    abandon(begun)
    names = [str(folder.relative_to(tmp_path)) for folder in (old, new, begun)]
    record = plan(tmp_path, names, pid=os.getpid(), host=HOST)
    assert states(tmp_path) == {0: "waiting", 1: "failed", 2: "waiting"}
    record.unlink()
    assert states(tmp_path) == {0: "failed", 1: "failed", 2: "broken-off"}


def test_the_folder_of_one_data_set_finds_the_records_above_it(tmp_path):
    write_run(tmp_path, dataset="other", arrays=False)
    plan(tmp_path, [f"{ERM}/seed-0", f"{ERM}/seed-1"], pid=DEAD, host=HOST)
    assert states(tmp_path / "other") == {0: "done"}
    (tmp_path / ERM).mkdir(parents=True)
    assert states(tmp_path / "digits-mini-mlt") == {0: "waiting", 1: "waiting"}


def test_progress_counts_over_stages(tmp_path):
    folder = write_run(tmp_path, algo="boda", stages=["crt"], finished=False)
    name = str(folder.relative_to(tmp_path))
    plan(tmp_path, [name], pid=DEAD, host=HOST)
    record = json.loads(next((tmp_path / ".sweeps").iterdir()).read_text())
    record["runs"][0]["steps"] = 400
    next((tmp_path / ".sweeps").iterdir()).write_text(json.dumps(record))
    line = {"stage": "crt", "step": 50, "val": {"macro_f1_average": 0.5, "x": None}, "seconds": 70}
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps(line) + "\n" + '{"stage": "crt", "st')  # torn
    progress = only(tmp_path).progress
    assert progress is not None
    assert (progress.stage, progress.step, progress.share) == ("crt", 50, 0.875)
    assert progress.val == {"macro_f1_average": 0.5}


def test_only_the_tail_of_a_log_is_read(tmp_path):
    line = json.dumps({"step": 1, "losses": {"total": 0.5}}) + "\n"
    (tmp_path / "log.jsonl").write_text(line * 200_000 + '{"step": 2}\n')
    began = time.process_time()
    assert read_last_line(tmp_path) == {"step": 2}
    assert time.process_time() - began < 0.05
    (tmp_path / "log.jsonl").write_bytes(b"\xff\x00" * 1000 + b"\n[1]\n" + b"[" * 100_000)
    assert read_last_line(tmp_path) is None


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"format": 1}', '{"format": 2, "runs": []}', '{"format": 1, "runs": [3]}',
     '{"format": 1, "runs": {"a": 1}, "command": 3}', "[" * 100_000],
)  # fmt: skip
def test_a_broken_record_costs_no_more_than_itself(tmp_path, content):
    write_run(tmp_path, arrays=False)
    (tmp_path / ".sweeps").mkdir()
    (tmp_path / ".sweeps" / "a.json").write_text(content)
    assert states(tmp_path) == {0: "done"}


@pytest.mark.parametrize("change", [
    {"started": "yesterday"}, {"pid": "x"}, {"pid": 10**30}, {"slots": None}, {"command": None},
    {"host": "\x1b[2J" * 100}, {"pid": -1}, {"started": "0001-01-01T00:00:00"},
    {"runs": [{"folder": "a/b", "label": "\x1b]0;x", "dataset": "d", "seed": 1, "steps": 1e999,
               "estimate_s": "NaN"}]},
])  # fmt: skip
def test_nonsense_in_a_record_crashes_nothing(tmp_path, change):
    plan(tmp_path, [f"{ERM}/seed-0"], **{"pid": DEAD, "host": HOST, **change})
    overview = read_states(tmp_path)
    assert all(run.label.isprintable() and run.dataset.isprintable() for run in overview.runs)
    assert all(sweep.process.host.isprintable() for sweep in overview.sweeps)
    assert forecast.seconds_left(overview) is None


def test_a_record_names_no_folder_outside(tmp_path):
    names = ["../x/seed-0", "/etc/seed-1", "a/../../y/seed-2", f"{ERM}/seed-3"]
    plan(tmp_path, names, pid=DEAD, host=HOST)
    assert states(tmp_path) == {3: "waiting"}


def test_records_without_scores_are_those_that_reports_read(tmp_path):
    write_run(tmp_path, algo="boda", stages=["crt"], arrays=False)
    write_run(tmp_path, error="failed")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "spec.json").write_text("{}")
    whole = read_runs(tmp_path)
    for short, record in zip(read_runs(tmp_path, scores=False), whole, strict=True):
        for name in ("path", "status", "reason", "hash", "protocol_hash", "seed", "label",
                     "algorithm", "stages", "dataset"):  # fmt: skip
            assert getattr(short, name) == getattr(record, name)
        assert short.protocol.get("steps", 0) == record.protocol.get("steps", 0)
        assert short.seconds == record.seconds or record.seconds != record.seconds


def test_time_left_is_judged_by_own_speed_then_others_then_estimates(tmp_path):
    done = write_run(tmp_path, seed=0, arrays=False)  # took 44 s
    begun = write_run(tmp_path, seed=1, finished=False)
    (begun / "log.jsonl").write_text('{"stage": "erm", "step": 100, "seconds": 10}\n')
    base = str(done.relative_to(tmp_path).parent)
    names = [f"{base}/seed-{seed}" for seed in range(3)] + ["digits-mini-mlt/x/abc/seed-3"]
    plan(tmp_path, names, pid=os.getpid(), host=HOST, slots=1)
    process = holder(begun)
    try:
        # 20 s of the run in progress, 44 s as its like, 40 s as its command thinks.
        assert forecast.seconds_left(read_states(tmp_path)) == pytest.approx(20 + 44 + 40)
    finally:
        process.kill()
        process.wait()


def test_without_grounds_nothing_is_foretold(tmp_path):
    record = plan(tmp_path, [f"{ERM}/seed-0"], pid=os.getpid(), host=HOST)
    document = json.loads(record.read_text())
    document["runs"][0]["estimate_s"] = None
    record.write_text(json.dumps(document))
    overview = read_states(tmp_path)
    assert forecast.seconds_left(overview) is None
    assert forecast.rate(overview, time.time()) is None
    assert forecast.seconds_left(Overview([])) is None


def test_the_rate_counts_what_was_done_since_the_command_began(tmp_path):
    folders = [write_run(tmp_path, seed=seed, arrays=False) for seed in range(4)]
    os.utime(folders[0] / "result.json", (1, 1))
    plan(tmp_path, [str(f.relative_to(tmp_path)) for f in folders], pid=os.getpid(), host=HOST)
    assert forecast.rate(read_states(tmp_path), time.time()) == pytest.approx(3, rel=0.1)


def test_runs_of_tuning_count_while_it_is_at_work(tmp_path):
    write_run(tmp_path, arrays=False)
    folder = write_run(tmp_path / ".tuning", algo="brl", finished=False)
    assert len(read_overview([tmp_path]).runs) == 1
    process = holder(folder)
    try:
        assert len(read_overview([tmp_path]).runs) == 2
    finally:
        process.kill()
        process.wait()


def test_neither_numpy_nor_anything_heavier_is_imported(tmp_path):
    write_run(tmp_path, arrays=False)
    plan(tmp_path, [f"{ERM}/seed-1"], pid=os.getpid(), host=HOST)
    code = (
        "import sys, pathlib; from ltbench.results.states import read_states;"
        "assert len(read_states(pathlib.Path(sys.argv[1])).runs) == 2;"
        "assert not {'torch', 'pandas', 'scipy', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


@pytest.mark.parametrize("pid", [10**30, -1, 0, "x", None])
def test_a_hostile_claim_crashes_nothing(tmp_path, pid):
    folder = write_run(tmp_path, finished=False)
    claim = {"token": "ab12", "host": "\x1b[2J", "machine": machine(), "pid": pid, "start": "9"}
    (folder / "claim").write_text(json.dumps(claim))
    run = only(tmp_path)
    assert run.status in ("running", "broken-off")
    assert run.holder is None or str(run.holder).isprintable()


def test_a_claim_that_succeeds_itself_is_no_endless_chain(tmp_path):
    folder = write_run(tmp_path, finished=False)
    claim = json.dumps({"token": "ab", "host": "h", "machine": "m", "pid": 1, "start": "9"})
    for name in ("claim", "claim.after-ab", "claim.after-ab-released"):
        (folder / name).write_text(claim)
    code = (
        "import sys, pathlib; from ltbench.results.states import read_states;"
        "read_states(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=200)
