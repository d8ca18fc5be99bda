"""Boards with drawn results, for tests of the site that is made of them."""

from __future__ import annotations

import json
from pathlib import Path

from ltbench.results.folders import read_folders
from ltbench.results.rows import write_rows
from ltbench.testing import write_run

HOSTILE = "<img src=x onerror=alert(1)>"
METHODS = (("erm", 0.5), ("boda", 0.8), ("focal", 0.52), ("bsoftmax", 0.75))


def write_boards(root: Path) -> Path:
    """Write two boards below a folder and return that: rows with badges, and a folder of runs."""
    boards, runs = root / "boards", root / "runs"
    for algo, skill in METHODS:
        for seed in range(3):
            write_run(runs, algo=algo, seed=seed, skill=skill, per_class=4)
    for seed in range(3):
        write_run(runs, algo="erm", stages=["crt"], seed=seed, skill=0.7, per_class=4)
        write_run(runs, algo=HOSTILE, seed=seed, skill=0.4, per_class=4)
    rows = boards / "digits.jsonl"
    write_rows(read_folders(runs), rows)
    set_badges(rows, {"boda": ("re-run", "the authors"), "focal": ("claimed", HOSTILE)})
    for algo, skill in METHODS[:2]:
        for seed in range(2):
            write_run(
                boards / "moths & more", algo=algo, seed=seed, skill=skill, per_class=2,
                dataset=f"{HOSTILE}/../moths", classes=5, domains=["field", HOSTILE],
            )  # fmt: skip
    return boards


def set_badges(rows: Path, badges: dict[str, tuple[str, str]]) -> None:
    """Give the rows of methods a badge and an origin."""
    lines = []
    for line in rows.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        name = row["spec"]["identity"]["algorithm"]["name"]
        if name in badges:
            row["badge"], row["origin"] = badges[name]
        lines.append(json.dumps(row, sort_keys=True))
    rows.write_text("\n".join(lines) + "\n", encoding="utf-8")
