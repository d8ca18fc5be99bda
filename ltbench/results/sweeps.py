"""The records of sweeps: which runs a command set out to do, for ``ltbench status``.

``<out>/.sweeps/<12 hexadecimal digits of the set of runs>.json`` is written when a command begins,
so that runs that wait, and have no folder yet, can be told from runs that nobody asked for. The
same command again writes the same file anew. It says nothing of how the runs fare: their folders
do. Records may come from anywhere, so what does not fit is passed over: a broken one costs the runs
that wait their line, and no more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ltbench.plugins.hparams import LARGEST_WHOLE
from ltbench.results.folder import write_bytes
from ltbench.results.process import Process
from ltbench.results.run import RunRecord, RunSpec, canonical_hash
from ltbench.results.tuned import read_tuned
from ltbench.results.untrusted import UnreadableRun, clean, numbers, read_json

SWEEPS = ".sweeps"
TUNING = ".tuning"
"""Folder, below that of the runs, of the runs that tuning makes."""
STAGES = ".stages"
"""Folder, below that of the runs, of the first stages that runs share."""
TRIAL_SEEDS = 1_000_000
"""Trials are run at seeds from here on, which nobody reports: the luck of a reported seed, by which
a setting was chosen, would stand in its own score."""
FORMAT = 1
_LONGEST_WORD = 2000
_LEVELS_ABOVE = 5  # from a seed's folder to the folder of all runs


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep that begins.

    Attributes:
        spec: what is asked for.
        steps: optimisation steps of all stages together.
        estimate: seconds it may take, or ``None`` where nothing is known.
        own_share: of the seconds that it takes alone; the rest another run spends for both.
    """

    spec: RunSpec
    steps: int
    estimate: float | None = None
    own_share: float = 1.0


@dataclass(frozen=True, eq=False)
class SweepRecord:
    """One command and the runs it set out to do.

    Attributes:
        path: the record's file.
        command: what was typed.
        runs: how each of them stands as far as the plan tells: it waits.
        slots: runs at a time.
        process: the command's own.
        started: when it began, in seconds since 1970.
    """

    path: Path
    command: tuple[str, ...]
    runs: tuple[RunRecord, ...]
    slots: int
    process: Process
    started: float


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
    lines = [_line(run) for run in runs]
    path = out / SWEEPS / f"{canonical_hash(sorted(line['folder'] for line in lines))}.json"
    head = {
        "format": FORMAT,
        "command": list(command),
        "slots": slots,
        **asdict(Process.current()),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    # A line for each run: people read it, and the fast encoder writes 10,000 in a blink.
    listed = ",\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    text = f'{json.dumps(head, ensure_ascii=False)[:-1]}, "runs": [\n{listed}\n]}}\n'
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, text.encode())
    return path


def read_sweeps(root: Path) -> list[SweepRecord]:
    """Return the sweeps that planned runs below ``root``, the oldest first.

    Their records lie in the folder of all runs, which may be ``root`` or one above it.
    """
    root = Path(os.path.abspath(root))
    sweeps = (_read(path, root) for path in _records(root))
    found = [sweep for sweep in sweeps if sweep is not None and sweep.runs]
    return sorted(found, key=lambda sweep: sweep.started)


def _line(run: PlannedRun) -> dict[str, Any]:
    """Return what the record holds of a run, for :func:`_planned`."""
    spec = run.spec
    return {
        "folder": str(spec.folder(Path())),
        "label": spec.label,
        "method": spec.method,
        "tuned": spec.tuning,
        "dataset": spec.dataset.name,
        "algo": spec.algo,
        "seed": spec.seed,
        "steps": run.steps,
        "estimate_s": run.estimate,
        **({"own_share": run.own_share} if run.own_share != 1 else {}),
    }


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
        # Records of older versions do not name the machine's boot, so only their runs can tell.
        process = Process.from_dict({"machine": "", "start": "", **record})
        return SweepRecord(
            path=path,
            command=tuple(_word(word) for word in record["command"]),
            runs=tuple(
                run for run in runs if run is not None and f"{run.path}{os.sep}".startswith(inside)
            ),
            slots=max(1, int(record["slots"])),
            process=Process(clean(process.host), process.machine, process.pid, process.start),
            started=_seconds(record["started"]),
        )
    except (UnreadableRun, KeyError, TypeError, ValueError, OverflowError, AttributeError):
        return None


def _planned(run: Any, out: str) -> RunRecord | None:
    """Return a planned run, or ``None`` where it does not fit or lies outside ``out``."""
    folder = str(run["folder"])
    path = os.path.normpath(os.path.join(out, folder))
    if not path.startswith(f"{out}{os.sep}") or "\0" in folder:
        return None
    given = numbers({name: run.get(name) for name in ("estimate_s", "steps", "own_share")})
    seed = int(run["seed"])
    if not 0 <= seed <= LARGEST_WHOLE:
        return None
    algorithm, *stages = clean(str(run.get("algo", ""))).split("+")
    return RunRecord(
        path=path,
        status="waiting",
        seed=seed,
        method=clean(str(run.get("method", run["label"]))),
        algorithm=algorithm,
        stages=tuple(stages),
        dataset=clean(str(run["dataset"])),
        tuned=_tuned(run.get("tuned")),
        steps=int(given.get("steps", 0)),
        estimate=given.get("estimate_s"),
        own_share=min(1.0, max(0.0, given.get("own_share", 1.0))),
    )


def _tuned(tuned: Any) -> dict[str, Any]:
    """Return what a record says of tuning; the settings that it found stand there as well."""
    known = tuned if isinstance(tuned, dict) else {}
    return read_tuned(tuned, numbers(known.get("from")) | numbers(known.get("found")))


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _word(word: object) -> str:
    """Return a word of a command without control characters, long ones cut."""
    return "".join(c if c.isprintable() else " " for c in str(word)[:_LONGEST_WORD])
