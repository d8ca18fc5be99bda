"""Sweeps that the tests of clusters start as programs, and what came of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

BASE = ("--dataset", "tiny-mlt", "--precision", "fp32", "--no-leaderboard")


def start(out, *args, environment=os.environ, before=()):
    command = [*before, sys.executable, "-m", "ltbench", "run", *args, *BASE, "--out", str(out)]
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def run_here(out, *args):
    """Run a sweep on one core of this machine, with as many threads as a job elsewhere has."""
    core = min(os.sched_getaffinity(0))
    return finish(start(out, *args, before=("taskset", "--cpu-list", str(core))))


def finish(process):
    out, _ = process.communicate(timeout=400)
    return process.returncode, out


def results(out):
    found = {}
    for path in sorted(Path(out).rglob("result.json")):
        result = json.loads(path.read_text())
        log = [json.loads(line) for line in (path.parent / "log.jsonl").read_text().splitlines()]
        for record in log:
            record.pop("seconds")
        kept = {key: result[key] for key in ("test", "val", "confusion", "selection")}
        found[str(path.parent.relative_to(out))] = {**kept, "log": log}
    return found


def wait_for(condition, seconds=200):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.2)
    return found
