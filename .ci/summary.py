"""Say what tox's environments left out and why, what took long in them, and how they ended.

``tox --result-json FILE && python .ci/summary.py FILE``: fails if an environment was left out that
``LTBENCH_TEST_REQUIRES`` names (``py312``), for then its interpreter is here.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from pathlib import Path

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
LONG = re.compile(r"^([0-9.]+)s (?:call|setup|teardown) +(([^:\s]+)::.*)$", re.MULTILINE)
CLOSING = re.compile(r"^(=+ )?((\d+ [a-z]+(, )?)+) in [0-9.]+s.*$", re.MULTILINE)
_MOST = 25


def summary(report: dict, demanded: list[str]) -> tuple[str, list[str]]:
    """Return the text, and the environments that were left out though they were demanded.

    Args:
        report: what tox wrote.
        demanded: names of environments that must have run.
    """
    skipped, closing, missing = [], [], []
    tests: Counter[str] = Counter()
    files: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for name, environment in report.get("testenvs", {}).items():
        if environment.get("result", {}).get("skipped"):
            skipped.append(f"{name}: everything, for want of its interpreter")
            missing += [name] if name in demanded else []
        for command in environment.get("test", []):
            said = COLOUR.sub("", command["output"])
            skipped += [f"{name}: {line}" for line in re.findall(r"^SKIPPED (.*)$", said, re.M)]
            for seconds, test, file in LONG.findall(said):
                tests[test] += round(float(seconds))
                files[file] += round(float(seconds))
            for line in CLOSING.finditer(said):
                closing.append(f"{name}: {line[0]}")
                counts = re.findall(r"(\d+) ((?!warning)\w+)", line[2])
                total.update({word: int(n) for n, word in counts})
    in_all = ", ".join(f"{count} {word}" for word, count in total.items())
    lines = ["Skipped, and why:", *(skipped or ["nothing"]), ""]
    if tests:
        long = [f"{n:5} s  {name}" for c in (files, tests) for name, n in c.most_common(_MOST)]
        lines += ["The longest files (of their tests over 2 s) and tests:", *long, ""]
    lines += ["How the tests ended:", *closing]
    return "\n".join([*lines, f"in all: {in_all or 'no tests ran'}"]), missing


def main(path: str) -> int:
    """Print the summary of the report at ``path`` and return the exit code."""
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        print("tox left no report")
        return 1
    text, missing = summary(report, os.environ.get("LTBENCH_TEST_REQUIRES", "").split(","))
    print(f"\n{text}")
    for name in missing:
        print(f"Error: tox left {name} out, and its interpreter is here")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
