"""A backend that somebody else wrote, in one file, on nothing but ``ltbench.api``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

BACKEND = '''
import queue
import threading

from ltbench.api import Executor, hookimpl


class Threads(Executor):
    """A thread for every run."""

    def open(self, jobs):
        self.news, self.busy, self.stopping = queue.Queue(), 0, threading.Event()
        return ()

    def capacity(self):
        return 2 - self.busy

    def submit(self, jobs):
        for job in jobs:
            self.busy += 1
            threading.Thread(target=self.carry_out, args=(job,), daemon=True).start()

    def carry_out(self, job):
        from ltbench.api import execute

        result = execute(job, lambda e: self.news.put((job, e)), self.stopping.is_set)
        self.news.put((job, {"event": "finished", "result": result}))

    def poll(self, seconds):
        try:
            job, event = self.news.get(timeout=seconds)
        except queue.Empty:
            return
        self.busy -= event["event"] == "finished"
        yield job, event

    def stop(self):
        self.stopping.set()


@hookimpl
def ltbench_executors(register):
    register("threads", Threads, summary="A thread for every run")
'''


def start(folder, *args):
    plugin = folder / "threads.py"
    plugin.write_text(BACKEND)
    command = [sys.executable, "-m", "ltbench", "--plugin", str(plugin), "run", *args]
    common = ["--dataset", "tiny-mlt", "--precision", "fp32", "--executor", "threads"]
    return subprocess.Popen(
        [*command, *common, "--no-leaderboard", "--out", str(folder / "runs")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_it_carries_out_a_sweep(tmp_path):
    process = start(tmp_path, "--algo", "erm,misbehave[how=raise]", "--seeds", "2")
    _, stderr = process.communicate(timeout=400)
    assert process.returncode == 1, stderr
    assert len(list(tmp_path.rglob("result.json"))) == 2
    errors = [json.loads(path.read_text())["error"] for path in tmp_path.rglob("error.json")]
    assert len(errors) == 2
    assert all("told to raise" in error for error in errors)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupts_mean_what_they_mean_everywhere(tmp_path, number):
    slow = ("--algo", "misbehave[how=slow]", "--protocol", "long", "--seeds", "2")
    process = start(tmp_path, *slow)
    deadline = time.monotonic() + 200
    while len(list(tmp_path.rglob("latest.pt"))) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    os.kill(process.pid, number)
    _, stderr = process.communicate(timeout=200)
    assert process.returncode == 130
    assert "2 runs write their checkpoint; Ctrl-C again stops at once" in stderr
    assert "type the same command to go on" in stderr
    assert not list(tmp_path.rglob("claim*"))
