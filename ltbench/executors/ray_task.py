"""What a Ray task does: one run, in its own folder or in a scratch folder that is sent home."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

import ltbench
from ltbench.executors.waiting import POLL_S, Waiting
from ltbench.results.folder import RunFolder, write_bytes
from ltbench.training.job import Job

STOP_SECONDS = 2.0

Files = dict[str, bytes]


class _Mailbox:
    """Carries events from the tasks to the command, and its wish to stop to the tasks."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Mapping[str, Any]]] = []
        self.stopping = False

    def post(self, run: str, event: Mapping[str, Any]) -> None:
        """Keep an event until the command asks for it."""
        self.events.append((run, event))

    def collect(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the events since the last call."""
        events, self.events = self.events, []
        return events

    def stop(self) -> None:
        """Have the tasks write checkpoints and return."""
        self.stopping = True

    def stopped(self) -> bool:
        """Return whether the tasks shall stop."""
        return self.stopping


def _look_around(marker: str) -> tuple[str, bool]:
    """Return a node's version of ltbench, and whether it sees the folder of the runs."""
    return ltbench.__version__, Path(marker).exists()


def _carry_out(job: Job, mailbox: Any, files: Files | None) -> tuple[dict[str, Any], Files | None]:
    """Carry out a run and return its result, and its files unless its folder is shared.

    Args:
        job: the run.
        mailbox: takes what happens to it.
        files: what is in the run's folder, by name, where the nodes do not see it.
    """
    reporter = _Reporter(str(job.folder), mailbox)
    if files is None:
        return _train(job, reporter), None
    with tempfile.TemporaryDirectory(prefix="ltbench-ray-") as scratch:
        there = replace(job, folder=Path(scratch) / "run", gone=None)
        unpack(there.folder, files)
        return _train(there, reporter), pack(there.folder)


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
    for path in (known.latest, known.error):
        if str(path.relative_to(folder)) not in files:
            path.unlink(missing_ok=True)


class _Reporter:
    """A task's end of the mailbox."""

    def __init__(self, run: str, mailbox: Any) -> None:
        self.run, self.mailbox = run, mailbox
        self.last: Any = None
        self.stopped = False
        self.asked = 0.0

    def report(self, event: Mapping[str, Any]) -> None:
        """Send an event, without waiting for it to arrive."""
        self.last = self.mailbox.post.remote(self.run, dict(event))

    def should_stop(self) -> bool:
        """Return whether the command wants the task to stop, or is gone."""
        now = time.monotonic()
        if not self.stopped and now - self.asked > STOP_SECONDS:
            self.asked = now
            try:
                self.stopped = ray.get(self.mailbox.stopped.remote(), timeout=60)
            except RayError:
                self.stopped = True
        return self.stopped

    def flush(self) -> None:
        """Wait until all events have arrived, so that none comes after the result."""
        if self.last is not None:
            with contextlib.suppress(RayError):
                ray.get(self.last, timeout=60)


def _train(job: Job, reporter: _Reporter) -> dict[str, Any]:
    """Train, once nobody else does: a run whose node was lost stays claimed for a while."""
    from ltbench.training.run import execute

    waiting = Waiting()
    result: dict[str, Any] = {"status": "interrupted"}
    while not reporter.should_stop():
        found = waiting.look(job)
        if isinstance(found, Job):
            result = execute(found, reporter.report, reporter.should_stop)
            if result.get("status") != "claimed":
                break
        elif found is not None:
            result = dict(found)
            break
        time.sleep(POLL_S)
    reporter.flush()
    return result


# Of type Any, since the decorators of Ray have none.
Mailbox: Any = ray.remote(num_cpus=0)(_Mailbox)
look_around: Any = ray.remote(num_cpus=0)(_look_around)
carry_out: Any = ray.remote(_carry_out)
