"""Time and memory of the main job: ``python benchmarks/main_job.py``.

Runs the README's command into a fresh folder and prints wall time, the time to the first finished
run, the share of the cores that was busy, and the largest memory of all its processes together
(proportional set size, so that shared pages count once).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

COMMAND = ("--algo", "erm,bsoftmax,boda,brl", "--dataset", "digits-mini-mlt", "--seeds", "5")


def memory(process: psutil.Process) -> int:
    """Return the bytes of a process and its children."""
    total = 0
    for member in (process, *process.children(recursive=True)):
        try:
            total += member.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and its children, also those that ended."""
    total = 0.0
    for member in (process, *process.children(recursive=True)):
        try:
            times = member.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def main() -> None:
    """Run the job and watch it."""
    out = Path(tempfile.mkdtemp(prefix="ltbench-main-job-"))
    command = [sys.executable, "-m", "ltbench", "run", *COMMAND, "--out", str(out)]
    began = time.monotonic()
    process = psutil.Popen(command)
    peak, busy, first = 0, 0.0, None
    while process.poll() is None:
        try:
            peak, busy = max(peak, memory(process)), max(busy, cpu_seconds(process))
        except psutil.Error:
            break
        if first is None and list(out.rglob("result.json")):
            first = time.monotonic() - began
        time.sleep(5)
    wall = time.monotonic() - began
    cores = len(os.sched_getaffinity(0))
    print(f"exit code {process.wait()}, runs in {out}")
    print(f"wall time {wall:.0f} s, first finished run after {first or wall:.0f} s")
    print(f"{busy / wall / cores:.0%} of {cores} cores busy, largest memory {peak / 1e9:.2f} GB")
    print(f"loads and threads: {subprocess.getoutput('uptime').strip()}")


if __name__ == "__main__":
    main()
