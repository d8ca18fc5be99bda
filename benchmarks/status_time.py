"""Seconds of ``ltbench status`` as a process of its own, for many runs.

``python benchmarks/status_time.py`` writes 10,000 runs in a temporary folder and measures four
cases: without an index, with it, with one run more, and in the middle of a sweep, where half of
the runs have no folder yet, some failed and some are held by a live process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from synthetic_runs import write_run

from ltbench.results.claim import acquire
from ltbench.results.index import index_file
from ltbench.results.process import Process
from ltbench.results.sweeps import SWEEPS

REPEATS = 5
SEEDS = 25


def status_seconds(root: Path) -> tuple[float, float, str]:
    """Return wall and CPU seconds of one process, and the first line that it printed."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "ltbench", "status", str(root)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, text.splitlines()[0]


def measure(name: str, root: Path, repeats: int) -> None:
    """Print the least and the greatest time of a few."""
    found = [status_seconds(root) for _ in range(repeats)]
    walls, cpus = sorted(f[0] for f in found), sorted(f[1] for f in found)
    print(f"{name:<24} wall {walls[0]:.2f} to {walls[-1]:.2f} s, CPU {cpus[0]:.2f} to "
          f"{cpus[-1]:.2f} s   {found[0][2]}", flush=True)  # fmt: skip


def begin_sweep(root: Path, folders: list[Path]) -> None:
    """Record a sweep by this process that has as many runs to go; some failed, some are held."""
    there = [str(folder.relative_to(root)) for folder in folders]
    ahead = [f"{path.rpartition('-')[0]}-{1000 + number}" for number, path in enumerate(there)]
    record = {
        "format": 1, "command": ["ltbench", "run", "sweep.toml"], "slots": 8,
        **asdict(Process.current()), "started": datetime.now(UTC).isoformat(),
        "runs": [
            {"folder": path, "label": "erm", "method": "erm", "dataset": "data", "algo": "erm",
             "seed": int(path.rpartition("-")[2]), "steps": 300, "estimate_s": 40.0}
            for path in there + ahead
        ],
    }  # fmt: skip
    (root / SWEEPS).mkdir(exist_ok=True)
    (root / SWEEPS / "benchmark.json").write_text(json.dumps(record))
    for folder in folders[:500]:
        (folder / "result.json").unlink()
    for folder in folders[:492]:
        (folder / "error.json").write_text('{"status": "failed", "error": "told to"}')
        os.utime(folder / "error.json", (time.time() + 60,) * 2)
    for folder in folders[492:500]:
        acquire(folder)


def main() -> None:
    """Write runs and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    count = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        folders = [
            write_run(root, algo=f"method-{n // SEEDS}", seed=n % SEEDS, arrays=False)
            for n in range(count)
        ]
        measure("no index", root, 1)
        measure("indexed", root, REPEATS)
        write_run(root, algo="one-more", arrays=False)
        measure("one run more", root, 1)
        begin_sweep(root, folders[: count // 2])
        index_file(root).unlink()
        measure("sweep, no index", root, 1)
        measure("sweep, indexed", root, REPEATS)


if __name__ == "__main__":
    main()
