"""Makes runs that stand in every way: held, abandoned, planned."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ltbench.results.process import Process

HOLD = (
    "import sys, time, pathlib; from ltbench.results.claim import acquire;"
    "acquire(pathlib.Path(sys.argv[1])); print('held', flush=True); time.sleep(600)"
)


def holder(folder: Path) -> subprocess.Popen[str]:
    """Start a process that holds a run; kill it to abandon the run."""
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def abandon(folder: Path) -> None:
    """Leave the claim of a process that was killed."""
    process = holder(folder)
    process.kill()
    process.communicate()
    assert (folder / "claim").exists()


def foreign_claim(folder: Path) -> None:
    """Leave the claim of a process on another machine."""
    claim = {"token": "ab12", "host": "node7", "machine": "node7 boot", "pid": 42, "start": "9"}
    (folder / "claim").write_text(json.dumps(claim))


def plan(
    root: Path,
    folders: list[str],
    *,
    pid: int,
    host: str,
    command: tuple[str, ...] = ("ltbench", "run", "sweep.toml"),
    ago: float = 60.0,
    **more: Any,
) -> Path:
    """Write the record of a sweep of these runs, relative to ``root``."""
    runs = [
        {"folder": name, "label": "erm", "dataset": "digits-mini-mlt", "algo": "erm",
         "seed": int(name.rpartition("-")[2]), "steps": 300, "estimate_s": 40.0}
        for name in folders
    ]  # fmt: skip
    here = Process.current()
    machine = here.machine if host == here.host else f"{host} boot"
    record = {
        "format": 1, "command": command, "slots": 2, "host": host, "pid": pid,
        "machine": machine, "start": here.start,
        "started": (datetime.now(UTC) - timedelta(seconds=ago)).isoformat(),
        "runs": runs, **more,
    }  # fmt: skip
    path = root / ".sweeps" / f"{len(folders)}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record))
    return path
