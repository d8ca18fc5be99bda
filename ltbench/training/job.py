"""A job: a run's specification together with where and on what it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ltbench.results.run import RunSpec


@dataclass(frozen=True)
class Job:
    """One run to carry out, here or wherever an executor sends it; it can be pickled.

    Attributes:
        spec: what to run.
        folder: the run's own folder.
        data_dir: the folder of the data sets' files.
        device: for example ``cpu`` or ``cuda:0``.
        threads: CPU threads to compute with.
        sharing: runs that share the device at a time, of which this is one.
        weights: local checkpoint for the backbone, if any.
        store: folder of the decoded images; where it is not there they are decoded anew.
        cost: how long the run will take, in seconds or in any unit that all jobs share; executors
            begin with the longest.
        timeout: seconds after which the run stops at a checkpoint and counts as failed; each
            attempt has as many.
        abandoned: key of another process's claim on the run that the executor has watched and found
            abandoned, so that the run is taken over at once.
        first_stage: folder in which runs that begin with the same stage share it, or ``None`` where
            no other run does; see :mod:`ltbench.training.first_stage`.
        first_runs: folders of runs of that stage alone, which have it where they are done.
        abandoned_stage: as ``abandoned``, of a claim on ``first_stage``.
        abandoned_runs: as ``abandoned``, of claims on ``first_runs``.
    """

    spec: RunSpec
    folder: Path
    data_dir: Path
    device: str = "cpu"
    threads: int = 1
    weights: Path | None = None
    store: Path | None = None
    cost: float = 0.0
    timeout: float | None = None
    abandoned: str | None = None
    first_stage: Path | None = None
    first_runs: tuple[Path, ...] = ()
    abandoned_stage: str | None = None
    sharing: int = 1
    abandoned_runs: tuple[str, ...] = ()
