"""Jobs that other commands have: put aside, found done or failed, taken over."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from ltbench.executors.dispatcher import record_lost
from ltbench.executors.waiting import Waiting
from ltbench.results import claim as claims
from ltbench.results.claim import STALE_S, acquire, find_owner
from ltbench.results.folder import RunFolder
from ltbench.results.process import Process
from ltbench.session.plan import Request, plan_runs
from ltbench.training.job import Job
from ltbench.training.run import execute


@pytest.fixture
def job(tmp_path):
    request = Request(["erm"], ["tiny-mlt"], [0], "fp32", tmp_path, {})
    job = Job(plan_runs(request).specs[0], tmp_path / "run", tmp_path)
    job.folder.mkdir()
    return job


def test_a_free_run_is_ours(job):
    assert Waiting().look(job) == job


def test_a_run_of_another_command_waits_until_it_is_done(job):
    waiting = Waiting()
    claim = acquire(job.folder)
    assert waiting.look(job) is None
    assert list(waiting.poll()) == []
    assert "1 run that another command works on: process" in waiting.describe()
    RunFolder(job.folder).finish({"test": {"accuracy": 1.0}})
    claim.release()
    assert list(waiting.poll()) == [(job, {"test": {"accuracy": 1.0}})]
    assert not waiting


HOLDER = """
import os, signal, sys
from pathlib import Path
from ltbench.results.claim import acquire
claim = acquire(Path(sys.argv[1]))
print("claimed", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


def test_an_owner_that_is_stopped_is_said_to_be(job):
    command = [sys.executable, "-c", HOLDER, str(job.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "claimed\n"
            waiting = Waiting()
            assert waiting.look(job) is None
            deadline = time.monotonic() + 20
            while "is stopped" not in waiting.describe() and time.monotonic() < deadline:
                time.sleep(0.05)
            assert waiting.describe().endswith(
                f", which is stopped (kill -CONT {holder.pid} wakes it)"
            )
        finally:
            holder.kill()


def test_a_run_that_failed_over_there_is_not_tried_again_here(job):
    waiting = Waiting()
    RunFolder(job.folder).fail({"status": "failed", "error": "of yesterday"})
    claim = acquire(job.folder)
    assert waiting.look(job) is None
    RunFolder(job.folder).fail({"status": "failed", "error": "of today"})
    claim.release()
    assert list(waiting.poll()) == [(job, {"status": "failed", "error": "of today"})]


def test_a_run_that_was_broken_off_over_there_is_ours_then(job):
    waiting = Waiting()
    RunFolder(job.folder).fail({"status": "failed", "error": "of yesterday"})
    claim = acquire(job.folder)
    assert waiting.look(job) is None
    claim.release()
    assert list(waiting.poll()) == [(job, job)]


def hold_elsewhere(folder: Path) -> None:
    far = Process("far", "far boot 1", 7, "1")
    text = json.dumps({"token": "old", **asdict(far), "written": 0})
    (folder / "claim").write_text(text)


def test_a_command_that_fell_silent_elsewhere_loses_its_run(job, monkeypatch):
    """What the executor has watched counts in the worker, which has seen nothing yet."""
    now = [0.0]
    monkeypatch.setattr(claims, "seconds", lambda: now[0])
    hold_elsewhere(job.folder)
    waiting = Waiting()
    assert waiting.look(job) is None
    assert "process 7 on far" in waiting.describe()
    now[0] += STALE_S - 1
    assert list(waiting.poll()) == []
    now[0] += 2
    [(_, mine)] = waiting.poll()
    assert mine == replace(job, abandoned="old")
    claims.WATCH.seen.clear()
    assert execute(job, lambda event: None, lambda: False)["status"] == "claimed"
    result = execute(mine, lambda event: None, lambda: False)
    assert "test" in result
    assert find_owner(job.folder) is None


def test_so_does_one_that_trained_the_first_stage_alone(job, tmp_path, monkeypatch):
    """Who waits for that stage hands on which run of it is abandoned, whoever holds the stage."""
    now = [0.0]
    monkeypatch.setattr(claims, "seconds", lambda: now[0])
    other, alone, stage = (tmp_path / name for name in ("other", "alone", "stage"))
    for folder in (other, alone):
        folder.mkdir()
    job = replace(job, first_stage=stage, first_runs=(other, alone))
    hold_elsewhere(alone)
    waiting = Waiting()
    assert waiting.look(job) is None
    now[0] += STALE_S + 1
    assert list(waiting.poll()) == [(job, replace(job, abandoned_runs=("old",)))]
    RunFolder(other).finish({"test": {}})  # by a machine of another kind, perhaps
    assert waiting.look(job) == replace(job, abandoned_runs=("old",))


def test_what_is_recorded_of_a_lost_run_leaves_no_claim(job):
    assert record_lost(job, "it died")["error"] == "it died"
    names = sorted(path.name for path in job.folder.iterdir())
    assert names == ["error.json"]


def test_nothing_is_recorded_of_a_run_that_is_done_or_in_other_hands(job):
    with acquire(job.folder):
        assert record_lost(job, "it died")["status"] == "claimed"
    RunFolder(job.folder).finish({"test": {}})
    assert record_lost(job, "it died") == {"test": {}}
    assert not RunFolder(job.folder).error.exists()
