"""A job: a run's specification together with where and on what it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ltbench.training.spec import RunSpec


@dataclass(frozen=True)
class Job:
    """One run to carry out on this machine.

    Attributes:
        spec: what to run.
        folder: the run's own folder.
        data_dir: the folder of the data sets' files.
        device: for example ``cpu`` or ``cuda:0``.
        threads: CPU threads to compute with.
        weights: local checkpoint for the backbone, if any.
        store: folder of the decoded images; where it is not there they are decoded anew.
    """

    spec: RunSpec
    folder: Path
    data_dir: Path
    device: str = "cpu"
    threads: int = 1
    weights: Path | None = None
    store: Path | None = None
