"""What a Ray task does: one run, in its own folder or in a scratch folder that is sent home."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from ltbench.api import Job, RunFolder, execute_when_free, write_bytes

POST_SECONDS = 1.0
SILENT_SECONDS = 50.0
"""After which the user is told that nothing is heard."""

Files = dict[str, bytes]


class _Mailbox:
    """Carries events from the tasks to the command, and its wish to stop to the tasks."""

    def __init__(self) -> None:
        self.events: list[tuple[Path, Mapping[str, Any]]] = []
        self.signs: dict[Path, float] = {}  # when each task was last heard of, by time.monotonic
        self.stopping = False

    def post(self, folder: Path, events: list[Mapping[str, Any]]) -> bool:
        """Keep the events of the run in a folder, and return whether its task shall stop."""
        self.events += [(folder, event) for event in events]
        self.signs[folder] = time.monotonic()
        return self.stopping

    def collect(self) -> tuple[list[tuple[Path, Mapping[str, Any]]], list[Path]]:
        """Return the events since the last call, and the folders of runs that are silent."""
        events, self.events = self.events, []
        now = time.monotonic()
        return events, [f for f, heard in self.signs.items() if now - heard > SILENT_SECONDS]

    def forget(self, folder: Path) -> None:
        """Expect no more signs from a run that is over."""
        self.signs.pop(folder, None)

    def stop(self) -> None:
        """Have the tasks write checkpoints and return."""
        self.stopping = True


def _look_around(marker: str) -> tuple[str, bool]:
    """Return a node's version of ltbench, and whether it sees the folder of the runs."""
    return version("ltbench"), Path(marker).exists()


def _carry_out(
    job: Job, mailbox: Any, files: Files | None, first: Files
) -> tuple[dict[str, Any], Files | None, Files]:
    """Carry out a run and return its result, its files unless its folder is shared, and its stage.

    Args:
        job: the run.
        mailbox: takes what happens to it.
        files: what is in the run's folder, by name, where the nodes do not see it.
        first: what :func:`pack_first_stage` returned, where they do not.

    Returns:
        The result, the files of the run's folder, and those of its first stage.
    """
    reporter = _Reporter(job.folder, mailbox)
    if files is None:
        return reporter.carry_out(job), None, {}
    with tempfile.TemporaryDirectory(prefix="ltbench-ray-") as scratch:
        there = replace(
            job,
            folder=Path(scratch) / "run",
            abandoned=None,
            abandoned_stage=None,
            abandoned_runs=(),
        )
        unpack(there.folder, files)
        if job.first_stage is None:
            return reporter.carry_out(there), pack(there.folder), {}
        there = _with_first_stage(there, job, Path(scratch) / "runs", first)
        result = reporter.carry_out(there)
        assert there.first_stage is not None
        return result, pack(there.folder), pack(there.first_stage)


def pack(folder: Path) -> Files:
    """Return the content of a run's folder by relative name, without what begins with a dot."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith((".", "claim"))
    }


def unpack(folder: Path, files: Files) -> None:
    """Write files that :func:`pack` returned, ``result.json`` last, and drop what they lack.

    Raises:
        ValueError: a name would leave the folder.
    """
    known = RunFolder(folder)
    known.latest.parent.mkdir(parents=True, exist_ok=True)
    for name in sorted(files, key=lambda name: name == known.result.name):
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"a node sent the file '{name}', which lies outside its run's folder")
        write_bytes(path, files[name])
    for path in (known.latest, known.beginning, known.error):
        if str(path.relative_to(folder)) not in files:
            path.unlink(missing_ok=True)


def pack_first_stage(job: Job) -> Files:
    """Return what lies there of a run's first stage, by name relative to the folder of all runs."""
    if job.first_stage is None:
        return {}
    paths = list(job.first_stage.glob("*.pt"))
    for folder in map(RunFolder, job.first_runs):
        if folder.done:
            paths += [path for path in (folder.result, folder.log, folder.best) if path.is_file()]
    return {str(path.relative_to(_above(job))): path.read_bytes() for path in paths}


def unpack_first_stage(job: Job, files: Files) -> None:
    """Keep the first stages that a node sent, unless they are there."""
    for name, content in files.items():
        path = job.first_stage / Path(name).name if job.first_stage else None
        if path is not None and path.suffix == ".pt" and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content)


def _with_first_stage(there: Job, job: Job, root: Path, files: Files) -> Job:
    """Write files that :func:`pack_first_stage` returned, and return the job that finds them."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    assert job.first_stage is not None
    above = _above(job)
    stage = root / job.first_stage.relative_to(above)
    runs = tuple(root / run.relative_to(above) for run in job.first_runs)
    return replace(there, first_stage=stage, first_runs=runs)


def _above(job: Job) -> Path:
    """Return the folder of all runs."""
    return job.folder.parents[3]


class _Reporter:
    """A task's end of the mailbox."""

    def __init__(self, folder: Path, mailbox: Any) -> None:
        self.folder, self.mailbox = folder, mailbox
        self.events: list[Mapping[str, Any]] = []
        self.stopped = False
        self.post_at = 0.0

    def carry_out(self, job: Job) -> dict[str, Any]:
        """Carry out a run; when this returns, all events have arrived."""
        result = execute_when_free(job, self._report, self._should_stop)
        self._post()
        return result

    def _report(self, event: Mapping[str, Any]) -> None:
        self.events.append(event)
        if event["event"] != "step":
            self._post()

    def _should_stop(self) -> bool:
        if time.monotonic() > self.post_at:
            self._post()
        return self.stopped

    def _post(self) -> None:
        """Send the events, and hear whether the command wants the task to stop, or is gone."""
        try:
            answer = self.mailbox.post.remote(self.folder, self.events)
            self.stopped = ray.get(answer, timeout=60) or self.stopped
        except RayError:
            self.stopped = True
        self.events = []
        self.post_at = time.monotonic() + POST_SECONDS


# Of type Any, since the decorators of Ray have none.
Mailbox: Any = ray.remote(num_cpus=0)(_Mailbox)
look_around: Any = ray.remote(num_cpus=0)(_look_around)
carry_out: Any = ray.remote(_carry_out)
# In a process that ends with it: what the run changed there, or its lost device, meets no other.
carry_out_once: Any = ray.remote(max_calls=1)(_carry_out)
