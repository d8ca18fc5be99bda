"""How every run stands: what lies in its folder, who holds it, and which commands planned it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ltbench.results.holders import Holder, find_holder, is_at_work
from ltbench.results.index import read_runs
from ltbench.results.record import RunRecord, clean, numbers
from ltbench.results.sweeps import TUNING, Planned, SweepRecord, read_sweeps

State = Literal["done", "running", "waiting", "broken-off", "failed", "diverged", "unreadable"]
STATES: tuple[State, ...] = (
    "done", "running", "waiting", "broken-off", "failed", "diverged", "unreadable"
)  # fmt: skip
_TAIL = 64 * 1024


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, from the last line of its log.

    Attributes:
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


@dataclass(frozen=True, slots=True)
class RunState:
    """One run and how it stands.

    Attributes:
        path: its folder.
        algo: the algorithm with its stages.
        reason: why it failed, diverged or cannot be read.
        seconds: what it took, where it is done.
        steps: optimisation steps of all its stages, 0 where they are not known.
        estimate: seconds that its command expected it to take, or ``None``.
        select: how its model is chosen, as in the protocol.
        holder: who trains it, where it is running.
        progress: how far it is, where it was begun and is not done.
        expected: whether a command that is at work will come to it.
        sweep: the newest command that planned it, or ``None``.
    """

    path: str
    state: State
    label: str = ""
    dataset: str = ""
    algo: str = ""
    seed: int = -1
    hash: str = ""
    reason: str = ""
    seconds: float = 0.0
    steps: int = 0
    estimate: float | None = None
    select: str = ""
    holder: Holder | None = None
    progress: Progress | None = None
    expected: bool = False
    sweep: SweepRecord | None = None


@dataclass(frozen=True)
class Overview:
    """The runs below a folder.

    Attributes:
        runs: in the order of their paths.
        sweeps: the commands that planned runs there, the oldest first.
        active: those of them that are at work.
    """

    runs: list[RunState]
    sweeps: list[SweepRecord] = field(default_factory=list)
    active: list[SweepRecord] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Plan:
    """The newest command that planned a run, and the newest one at work that did."""

    run: Planned
    sweep: SweepRecord
    active: SweepRecord | None


def read_states(root: Path) -> Overview:
    """Return how every run below ``root`` stands, those included that have no folder yet."""
    top = Path(os.path.abspath(root))
    sweeps = read_sweeps(top)
    records = {record.path: record for record in read_runs(top, brief=True)}
    holders = _holders(records.values(), sweeps)
    active = [sweep for sweep in sweeps if _is_active(sweep, holders)]
    plans = _plans(sweeps, active)
    runs = [
        _known(records[path], plans.get(path), holders.get(path))
        if path in records
        else _planned(plans[path], holders.get(path))
        for path in sorted(records.keys() | plans.keys())
    ]
    return Overview(runs, sweeps, active)


def read_overview(roots: Iterable[Path]) -> Overview:
    """Return how the runs below several folders stand; a folder within another counts once.

    The runs that tuning makes are among them for as long as it is at work.
    """
    runs: dict[str, RunState] = {}
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
        if tuning.active or any(run.state == "running" for run in tuning.runs):
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
    here = is_at_work(sweep.host, sweep.pid, sweep.started)
    return any(run.path in holders for run in sweep.runs) if here is None else here


def _plans(sweeps: Iterable[SweepRecord], active: list[SweepRecord]) -> dict[str, _Plan]:
    plans: dict[str, _Plan] = {}
    for sweep in sweeps:
        at_work = sweep if sweep in active else None
        for run in sweep.runs:
            before = plans.get(run.path)
            plans[run.path] = _Plan(run, sweep, at_work or (before.active if before else None))
    return plans


def _planned(plan: _Plan, holder: Holder | None) -> RunState:
    run = plan.run
    return RunState(
        path=run.path,
        state="waiting" if holder is None else "running",
        label=run.label,
        dataset=run.dataset,
        algo=run.algo,
        seed=run.seed,
        steps=run.steps,
        estimate=run.estimate,
        holder=holder,
        expected=plan.active is not None,
        sweep=plan.sweep,
    )


def _known(record: RunRecord, plan: _Plan | None, holder: Holder | None) -> RunState:
    state = RunState(
        path=record.path,
        state="unreadable" if record.status == "unreadable" else "done",
        label=record.label,
        dataset=record.dataset,
        algo="+".join((record.algorithm, *record.stages)),
        seed=record.seed,
        hash=record.hash,
        reason=record.reason,
        seconds=record.seconds,
        steps=plan.run.steps if plan else _steps(record),
        estimate=plan.run.estimate if plan else None,
        select=str(record.protocol.get("select", "")),
        sweep=plan.sweep if plan else None,
    )
    if record.status in ("done", "unreadable"):
        return state
    return replace(
        state,
        state="running" if holder is not None else _idle_state(record, plan),
        holder=holder,
        progress=_progress(record, state.steps),
        expected=plan is not None and plan.active is not None,
    )


def _idle_state(record: RunRecord, plan: _Plan | None) -> State:
    """Return the state of a run that nobody holds."""
    active = plan.active if plan else None
    if record.status in ("failed", "diverged"):
        # A command that began after the failure will try the run again.
        again = active is not None and _changed(f"{record.path}/error.json") < active.started
        return "waiting" if again else "failed" if record.status == "failed" else "diverged"
    return "broken-off" if active is None else "waiting"


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def _steps(record: RunRecord) -> int:
    """Return the steps of a run of one stage; those of further stages only their plugins know."""
    return 0 if record.stages else int(numbers(record.protocol).get("steps", 0))


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
        with (folder / "log.jsonl").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            lines = file.read(_TAIL).splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            entry = json.loads(line, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            return entry
    return None
