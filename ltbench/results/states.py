"""How every run stands: what lies in its folder, who holds it, and which commands planned it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ltbench.regular_files import open_file
from ltbench.results.holders import Holder, find_holder
from ltbench.results.index import read_runs
from ltbench.results.run import RunRecord, Status
from ltbench.results.sweeps import TUNING, SweepRecord, read_sweeps
from ltbench.results.untrusted import clean, numbers, parse_line

STATUSES: tuple[Status, ...] = (
    "done", "running", "waiting", "broken-off", "failed", "diverged", "unreadable"
)  # fmt: skip
"""How a run can stand, for those who look at who is at work."""
_TAIL = 64 * 1024


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, from the last line of its log.

    Attributes:
        stage: the algorithm or stage that trains.
        step: of the stage.
        share: of all the run's steps, 0…1, or ``None`` where their number is not known.
        seconds: spent in the run so far.
        val: the last validation metrics.
    """

    stage: str
    step: int
    share: float | None
    seconds: float
    val: dict[str, float]


@dataclass(frozen=True)
class Overview:
    """The runs below a folder.

    Attributes:
        runs: in the order of their paths.
        sweeps: the commands that planned runs there, the oldest first.
        active: those of them that are at work.
    """

    runs: list[RunRecord]
    sweeps: list[SweepRecord] = field(default_factory=list)
    active: list[SweepRecord] = field(default_factory=list)


def read_states(root: Path) -> Overview:
    """Return how every run below ``root`` stands, those included that have no folder yet."""
    top = Path(os.path.abspath(root))
    sweeps = read_sweeps(top)
    records = {record.path: record for record in read_runs(top, scores=False)}
    holders = _holders(records.values(), sweeps)
    active = [sweep for sweep in sweeps if _is_active(sweep, holders)]
    # The newest command that planned a run, and the newest one at work that did.
    planned = {run.path: (run, sweep) for sweep in sweeps for run in sweep.runs}
    expected = {run.path: sweep for sweep in active for run in sweep.runs}
    runs = [
        _standing(records.get(path), planned.get(path), expected.get(path), holders.get(path))
        for path in sorted(records.keys() | planned.keys())
    ]
    return Overview(runs, sweeps, active)


def read_overview(roots: Iterable[Path]) -> Overview:
    """Return how the runs below several folders stand; a folder within another counts once.

    The runs that tuning makes are among them for as long as it is at work.
    """
    runs: dict[str, RunRecord] = {}
    sweeps: dict[Path, SweepRecord] = {}
    active: dict[Path, SweepRecord] = {}
    for part in (part for root in roots for part in _parts(root)):
        runs.update((run.path, run) for run in part.runs)
        sweeps.update((sweep.path, sweep) for sweep in part.sweeps)
        active.update((sweep.path, sweep) for sweep in part.active)
    return Overview(list(runs.values()), list(sweeps.values()), list(active.values()))


def _parts(root: Path) -> Iterable[Overview]:
    yield read_states(root)
    if (root / TUNING).is_dir():
        tuning = read_states(root / TUNING)
        if tuning.active or any(run.status == "running" for run in tuning.runs):
            yield tuning


def _holders(records: Iterable[RunRecord], sweeps: Iterable[SweepRecord]) -> dict[str, Holder]:
    """Return who holds runs that are not done; a claim may be there before ``spec.json`` is."""
    paths = {run.path for sweep in sweeps for run in sweep.runs}
    done: set[str] = set()
    for record in records:
        (done if record.status == "done" else paths).add(record.path)
    found = ((path, find_holder(Path(path))) for path in paths - done)
    return {path: holder for path, holder in found if holder is not None}


def _is_active(sweep: SweepRecord, holders: Mapping[str, Holder]) -> bool:
    """Return whether a command is at work; of another machine's only its runs can tell."""
    gone = sweep.process.is_gone()
    return any(run.path in holders for run in sweep.runs) if gone is None else not gone


def _standing(
    record: RunRecord | None,
    plan: tuple[RunRecord, SweepRecord] | None,
    expected: SweepRecord | None,
    holder: Holder | None,
) -> RunRecord:
    """Return how a run stands.

    Args:
        record: what lies in its folder, if there is one.
        plan: the run as the newest command planned it, and that command, if there is one.
        expected: the newest command at work that planned it.
        holder: who trains it.
    """
    if record is None:
        assert plan is not None
        run, sweep = plan
        status: Status = "waiting" if holder is None else "running"
        return replace(
            run, status=status, holder=holder, expected=expected is not None, sweep=sweep
        )
    standing: dict[str, Any] = {}
    if plan is not None:
        run, sweep = plan
        standing = {
            "steps": run.steps,
            "estimate": run.estimate,
            "own_share": run.own_share,
            "sweep": sweep,
        }
    if record.status not in ("done", "unreadable"):
        standing |= {
            "status": "running" if holder is not None else _idle(record, expected),
            "holder": holder,
            "progress": _progress(record, standing.get("steps", record.steps)),
            "expected": expected is not None,
        }
    return replace(record, **standing) if standing else record


def _idle(record: RunRecord, expected: SweepRecord | None) -> Status:
    """Return the status of a run that nobody holds."""
    if record.status in ("failed", "diverged"):
        # A command that began after the failure will try the run again.
        retried = expected is not None and _changed(f"{record.path}/error.json") < expected.started
        return "waiting" if retried else record.status
    return "broken-off" if expected is None else "waiting"


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def _progress(record: RunRecord, steps: int) -> Progress | None:
    line = read_last_line(Path(record.path))
    if line is None:
        return None
    found = numbers(line)
    stage, step = clean(str(line.get("stage", ""))), int(found.get("step", 0))
    names = [record.algorithm, *record.stages]
    before = 0.0
    if steps and stage in names[1:]:  # the stages after the first share what it leaves
        first = numbers(record.protocol).get("steps", 0.0)
        before = first + (names.index(stage) - 1) * (steps - first) / len(record.stages)
    share = min(1.0, max(0.0, (before + step) / steps)) if steps > 0 else None
    return Progress(stage, step, share, found.get("seconds", 0.0), numbers(line.get("val")))


def read_last_line(folder: Path) -> dict[str, object] | None:
    """Return the last whole line of ``log.jsonl``, however long the file is, or ``None``."""
    try:
        with open_file(folder / "log.jsonl") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            lines = (file.read(_TAIL) or b"").splitlines()
    except OSError:
        return None
    return next((entry for line in reversed(lines) if (entry := parse_line(line))), None)
