"""The local executor with real worker processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from local_sweep import Sweep

from ltbench.executors import worker as workers
from ltbench.results.claim import find_owner
from ltbench.results.folder import RunFolder
from ltbench.training.job import Job
from ltbench.training.run import execute

QUIET = (lambda event: None, lambda: False)


def clean(job: Job) -> bool:
    names = [path.name for path in job.folder.rglob("*")]
    return not [name for name in names if name.startswith("claim") or name.endswith(".tmp")]


def test_the_longest_go_first_and_one_that_dies_is_tried_once_more(make_jobs):
    short, dies, long, killed = make_jobs("erm", "misbehave[how=die]", "focal", "bsoftmax")
    jobs = [
        replace(job, cost=cost) for job, cost in ((short, 1), (dies, 5), (long, 9), (killed, 3))
    ]
    sweep = Sweep()
    kills = []

    def kill_once(job, event):
        if job.spec.label == "bsoftmax" and event["event"] == "evaluated" and not kills:
            kills.append(find_owner(job.folder).process.pid)
            os.kill(kills[0], signal.SIGKILL)

    sweep.meanwhile = kill_once
    sweep.run(jobs)
    names = ["focal 0", "misbehave[how=die] 0", "bsoftmax 0", "erm 0"]
    assert sweep.order("started") == names, "and each is started once, however often it is tried"
    assert sweep.order("finished") == names
    assert all("test" in sweep.results[name] for name in ("focal 0", "bsoftmax 0", "erm 0"))
    assert sweep.results["misbehave[how=die] 0"]["status"] == "failed"
    assert "died twice (signal 9)" in sweep.results["misbehave[how=die] 0"]["error"]
    assert json.loads(RunFolder(dies.folder).error.read_text())["status"] == "failed"
    assert kills
    assert len([text for text in sweep.said if "is tried once more" in text]) == 2
    assert all(clean(job) for job in jobs)


def test_a_slot_without_a_job_costs_no_process(make_jobs, monkeypatch):
    started = []
    start = workers.Worker.__init__

    def count(self, *args):
        started.append(self)
        start(self, *args)

    monkeypatch.setattr(workers.Worker, "__init__", count)
    one, other = make_jobs("erm", seeds=2)
    execute(other, *QUIET)
    sweep = Sweep(slots=4).run([other, one])
    assert len(started) == 1
    assert sweep.order("finished") == ["erm 0", "erm 1"] or sweep.order("finished")[0] == "erm 1"
    assert sweep.results["erm 1"] == json.loads(RunFolder(other.folder).result.read_text())


def test_a_run_that_takes_too_long_stops_at_a_checkpoint_and_goes_on_later(make_jobs):
    (job,) = make_jobs("misbehave[how=slow]", steps=30)
    failure = execute(replace(job, timeout=0.5), *QUIET)
    assert failure["status"] == "failed"
    assert "stopped after 0.5 s, its --timeout, at step" in failure["error"]
    assert "the same command goes on from there" in failure["error"]
    assert 0 < failure["step"] < 30
    assert RunFolder(job.folder).latest.exists()
    assert clean(job)
    assert execute(job, *QUIET)["selection"]["step"] <= 30
    assert not RunFolder(job.folder).error.exists()


def test_a_run_that_hangs_is_killed_and_the_others_go_on(make_jobs, monkeypatch):
    monkeypatch.setattr(workers, "GRACE_S", 1.0)
    before, hangs, after = make_jobs("focal", "misbehave[how=hang]", "erm")
    # The first has the worker started, which takes longer than the others, when time is counted.
    jobs = [replace(before, cost=2.0), replace(hangs, timeout=12.0, cost=1.0), after]
    sweep = Sweep().run(jobs)
    assert "hung" in sweep.results["misbehave[how=hang] 0"]["error"]
    assert "test" in sweep.results["erm 0"]
    assert not sweep.said, "what hangs would hang again"
    assert clean(hangs)


HOLDER = """
import sys, time
from pathlib import Path
from ltbench.results.claim import acquire
claim = acquire(Path(sys.argv[1]))
print("claimed", flush=True)
time.sleep(3600)
"""


def test_a_run_of_another_command_is_waited_for_and_taken_over_when_that_is_killed(make_jobs):
    (job,) = make_jobs("erm")
    job.folder.mkdir(parents=True)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(job.folder)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "claimed\n"
    sweep = Sweep()

    def end_it(text):
        sweep.said.append(text)
        holder.kill()
        holder.wait()

    sweep.executor.say = end_it
    sweep.run([job])
    assert sweep.said == [
        f"waiting for 1 run that another command works on: process {holder.pid} on {os.uname()[1]}"
    ]
    assert "test" in sweep.results["erm 0"]
    assert clean(job)


def start_slow(out: Path) -> subprocess.Popen[str]:
    words = ["--algo", "misbehave[how=slow]", "--protocol", "long", "--seeds", "2", "--jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ltbench", "run", *words, "--dataset", "tiny-mlt",
         "--precision", "fp32", "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while process.poll() is None and len(list(out.rglob("latest.pt"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return process


@pytest.mark.parametrize(
    ("signals", "number"),
    [
        (1, signal.SIGINT),
        (2, signal.SIGTERM),
        *(
            pytest.param(signals, number, marks=pytest.mark.slow)
            for signals, number in ((1, signal.SIGTERM), (2, signal.SIGINT), (5, signal.SIGINT))
        ),
    ],
)
def test_interrupts_say_how_to_go_on_and_leave_no_process(tmp_path, signals, number):
    process = start_slow(tmp_path)
    family = psutil.Process(process.pid).children(recursive=True)
    for count in range(signals):
        if count and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(number)
    began = time.monotonic()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped with 0 of 2 runs done; type the same command to go on" in stderr
    assert "Traceback" not in stderr
    if signals == 1:
        assert "2 runs write their checkpoint; Ctrl-C again stops at once" in stderr
        assert not list(tmp_path.rglob("claim*"))
    assert time.monotonic() - began < 30
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
