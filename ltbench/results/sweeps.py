"""Reading what commands set out to do: the records of sweeps that ``ltbench run`` leaves.

They are read for ``ltbench status`` and may come from anywhere, so what does not fit is passed
over: a broken record costs the runs that wait their line, and no more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ltbench.results.json_files import read_json
from ltbench.results.record import UnreadableRun, clean, numbers

SWEEPS = ".sweeps"
TUNING = ".tuning"
"""Folder, below that of the runs, of the runs that tuning makes."""
FORMAT = 1
_LONGEST_WORD = 2000
_LEVELS_ABOVE = 5  # from a seed's folder to the folder of all runs


@dataclass(frozen=True, slots=True)
class Planned:
    """One run that a command set out to do.

    Attributes:
        path: its folder.
        algo: the algorithm with its stages.
        steps: optimisation steps of all its stages together, 0 where it is not said.
        estimate: seconds it may take, or ``None``.
    """

    path: str
    label: str
    dataset: str
    algo: str
    seed: int
    steps: int
    estimate: float | None


@dataclass(frozen=True, eq=False)
class SweepRecord:
    """One command and the runs it set out to do.

    Attributes:
        command: what was typed.
        slots: runs at a time.
        host: where the command runs or ran.
        pid: its process.
        started: when it began, in seconds since 1970.
    """

    path: Path
    command: tuple[str, ...]
    runs: tuple[Planned, ...]
    slots: int
    host: str
    pid: int
    started: float


def read_sweeps(root: Path) -> list[SweepRecord]:
    """Return the sweeps that planned runs below ``root``, the oldest first.

    Their records lie in the folder of all runs, which may be ``root`` or one above it.
    """
    root = Path(os.path.abspath(root))
    sweeps = (_read(path, root) for path in _records(root))
    found = [sweep for sweep in sweeps if sweep is not None and sweep.runs]
    return sorted(found, key=lambda sweep: sweep.started)


def _records(root: Path) -> Iterator[Path]:
    for folder in [root, *root.parents][: _LEVELS_ABOVE + 1]:
        if (folder / SWEEPS).is_dir():
            yield from sorted((folder / SWEEPS).glob("*.json"))
            return


def _read(path: Path, root: Path) -> SweepRecord | None:
    try:
        record = read_json(path)
        if record is None or record.get("format") != FORMAT:
            return None
        out = str(path.parent.parent)
        inside = "" if Path(out) == root else f"{root}{os.sep}"
        runs = (_planned(run, out) for run in record["runs"])
        return SweepRecord(
            path=path,
            command=tuple(_word(word) for word in record["command"]),
            runs=tuple(
                run for run in runs if run is not None and f"{run.path}{os.sep}".startswith(inside)
            ),
            slots=max(1, int(record["slots"])),
            host=clean(str(record["host"])),
            pid=int(record["pid"]),
            started=_seconds(record["started"]),
        )
    except (UnreadableRun, KeyError, TypeError, ValueError, OverflowError, AttributeError):
        return None


def _planned(run: Any, out: str) -> Planned | None:
    """Return a planned run, or ``None`` where it does not fit or lies outside ``out``."""
    folder = str(run["folder"])
    path = os.path.normpath(os.path.join(out, folder))
    if not path.startswith(f"{out}{os.sep}") or "\0" in folder:
        return None
    given = numbers({name: run.get(name) for name in ("estimate_s", "steps")})
    return Planned(
        path=path,
        label=clean(str(run["label"])),
        dataset=clean(str(run["dataset"])),
        algo=clean(str(run.get("algo", ""))),
        seed=int(run["seed"]),
        steps=int(given.get("steps", 0)),
        estimate=given.get("estimate_s"),
    )


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _word(word: object) -> str:
    """Return a word of a command without control characters, long ones cut."""
    return "".join(c if c.isprintable() else " " for c in str(word)[:_LONGEST_WORD])
