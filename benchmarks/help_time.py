"""CPU seconds of the light commands: ``python benchmarks/help_time.py``.

Each command runs as a process of its own, several times; the least and the median are printed.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

REPEATS = 15
COMMANDS = ("--help", "--version", "plugins list", "run --help", "data list")


def cpu_seconds(*args: str) -> float:
    """Return user plus system seconds of one ``ltbench`` process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "ltbench", *args], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    cpu_seconds("--help")  # the first run writes byte code
    for command in COMMANDS:
        times = [cpu_seconds(*command.split()) for _ in range(REPEATS)]
        least, median = min(times), statistics.median(times)
        print(f"ltbench {command:14} least {least:.3f} s, median {median:.3f} s")
