"""Time and memory of a leaderboard of many runs: without an index, with it, and after one more.

``python benchmarks/synthetic_runs.py /tmp/runs --methods 20 --datasets 20 --seeds 25`` writes
10,000 runs; then ``python benchmarks/run_index.py /tmp/runs``.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

from synthetic_runs import write_run

from ltbench.results.index import index_file

COMMAND = (
    "import sys, pathlib; from ltbench.report.leaderboard import render;"
    "text = render(pathlib.Path(sys.argv[1])); assert text"
)
LOAD = (
    "import sys, pathlib; from ltbench.results.frame import load_runs;"
    "runs = load_runs(pathlib.Path(sys.argv[1])); assert len(runs.table)"
)


def measure(name: str, code: str, root: Path) -> None:
    before = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, str(root)], check=True)
    seconds = time.perf_counter() - before
    # The greatest of all children so far, which grows with the heaviest of them.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{name:<40} {seconds:6.1f} s   peak so far {peak:5.0f} MB", flush=True)


def main() -> None:
    """Measure a folder of runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    root = parser.parse_args().root
    index_file(root).unlink(missing_ok=True)
    measure("reading, no index", LOAD, root)
    measure("reading, indexed", LOAD, root)
    write_run(root, algo="one-more", arrays=False)
    measure("reading, one run more", LOAD, root)
    measure("leaderboard, indexed", COMMAND, root)


if __name__ == "__main__":
    main()
