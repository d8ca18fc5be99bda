"""The record of a sweep: which runs a command set out to do, for ``ltbench status``.

``<out>/.sweeps/<12 hexadecimal digits of the set of runs>.json`` is written when a command begins,
so that runs that wait, and have no folder yet, can be told from runs that nobody asked for. The
same command again writes the same file anew. It says nothing of how the runs fare: their folders
do.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ltbench.results.folder import write_bytes
from ltbench.results.run import canonical_hash

SWEEPS = ".sweeps"
FORMAT = 1


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep.

    Attributes:
        folder: relative to the folder of the runs.
        label: as a row of a table names it.
        algo: the algorithm with its stages.
        steps: optimisation steps of all stages together.
        estimate: seconds it may take, or ``None`` where nothing is known.
    """

    folder: str
    label: str
    dataset: str
    algo: str
    seed: int
    steps: int
    estimate: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what the record holds of this run."""
        return {
            "folder": self.folder,
            "label": self.label,
            "dataset": self.dataset,
            "algo": self.algo,
            "seed": self.seed,
            "steps": self.steps,
            "estimate_s": self.estimate,
        }


def write_record(out: Path, command: Sequence[str], runs: Sequence[PlannedRun], slots: int) -> Path:
    """Write the record of a sweep that begins now and return its path.

    Args:
        out: the folder of the runs.
        command: what was typed.
        runs: all of them, the finished ones included.
        slots: runs at a time.

    Raises:
        OSError: the disk is full or the folder is not writable.
    """
    path = out / SWEEPS / f"{canonical_hash(sorted(run.folder for run in runs))}.json"
    head = {
        "format": FORMAT,
        "command": list(command),
        "slots": slots,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    # A line for each run: people read it, and the fast encoder writes 10,000 in a blink.
    lines = ",\n".join(json.dumps(run.as_dict(), ensure_ascii=False) for run in runs)
    text = f'{json.dumps(head, ensure_ascii=False)[:-1]}, "runs": [\n{lines}\n]}}\n'
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, text.encode())
    return path
