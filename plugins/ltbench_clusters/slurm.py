"""Runs as jobs of a SLURM cluster, in arrays, submitted through submitit.

The folder of the runs, the images and the Python environment must lie on file systems that the
nodes see.
"""

from __future__ import annotations

import contextlib
import math
import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ltbench.api import HParams as Parameters
from ltbench.api import (
    Job,
    Owner,
    Slots,
    UnreadableRun,
    UsageError,
    acquire,
    hparam,
    read_json,
    read_log,
    write_json,
)
from ltbench_clusters import slurm_queue
from ltbench_clusters.cluster import ClusterExecutor

FOLDER = ".slurm"
LIST = "submitted.json"
GRACE_SECONDS = 15.0  # a shared file system may show a result later than the queue shows its end
PATIENCE_SECONDS = 30.0  # until the user is told what is waited for
STOP_SECONDS = 1.0  # between looks at jobs that were cancelled
NAME = re.compile(r"ltbench-[0-9a-f]{12}")
"""Of the jobs of one array, and of no others."""


class SlurmParameters(Parameters):
    """What is asked of the cluster for each run."""

    partition: str = hparam("", help="partition; the cluster's default where empty")
    account: str = hparam("", help="account that is charged")
    qos: str = hparam("", help="quality of service")
    constraint: str = hparam("", help="features that a node must have")
    gpus: int = hparam(0, low=0, high=64, help="GPUs of a job")
    cpus: int = hparam(1, low=1, high=1024, help="cores of a job")
    memory: float = hparam(4.0, low=0.1, high=4096.0, help="GB of a job")
    time: int = hparam(60, low=1, high=100_000, help="minutes until a job is requeued")
    notice: int = hparam(90, low=1, high=3600, help="seconds before that to write a checkpoint")
    requeues: int = hparam(20, low=0, high=1000, help="times a job may be requeued for its time")
    at_once: int = hparam(256, low=1, high=100_000, help="jobs of an array that run at a time")
    poll: float = hparam(5.0, low=0.2, high=600.0, help="seconds between looks at the queue")


class SlurmExecutor(ClusterExecutor):
    """Job arrays on a SLURM cluster: one job a run, requeued with its checkpoint."""

    name, package = "slurm", "submitit"
    HParams = SlurmParameters
    hparams: SlurmParameters

    def __init__(self, slots: Slots, hparams: SlurmParameters) -> None:
        slurm_queue.require_slurm()
        super().__init__(slots, hparams)
        import ltbench_clusters.slurm_job  # noqa: F401  # before submitit, whose signal it sets

        self.submitted: dict[Path, tuple[Job, Any]] = {}  # with submitit's job
        self.names: set[str] = set()  # of their arrays
        self.unsure = ""  # the name of an array of which SLURM may have jobs
        self.missing: dict[Path, float] = {}  # since when neither the queue nor a result has them
        self.seen: dict[Path, int] = {}  # lines of a run's log.jsonl
        self.stopping = self.told_silent = False
        self.silent_since: float | None = None  # by time.monotonic
        self.look_at = 0.0

    def open(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Find what earlier commands, which may have been killed, left in the queue."""
        self.folder = jobs[0].folder.parents[3] / FOLDER
        self.folder.mkdir(parents=True, exist_ok=True)
        self.most = slurm_queue.largest_array() - 1
        with self._alone():
            self._adopt(jobs)
        return [job for job, _ in self.submitted.values()]

    def capacity(self) -> int:
        """Return how many jobs an array may have: the queue takes any number of arrays."""
        return self.most

    def submit(self, jobs: Sequence[Job]) -> None:
        """Submit an array of those jobs that no other command has submitted meanwhile.

        Its name and its runs are written down before. Whatever kills the command then, a later one
        finds the array's jobs by their name.

        Raises:
            UsageError: SLURM refused them.
        """
        from submitit.core.utils import FailedJobError

        from ltbench_clusters.slurm_job import SlurmRun

        with self._alone():
            if not (array := self._adopt(jobs)):
                return
            name = self.unsure = f"ltbench-{uuid.uuid4().hex[:12]}"
            self._write({**self._listed(), name: [str(job.folder) for job in array]})
            there = [replace(job, threads=self.hparams.cpus) for job in array]
            try:
                submitted = self._executor(name).map_array(SlurmRun(), there)
            except FailedJobError as error:
                raise UsageError(f"--executor slurm: sbatch refused: {_sentence(error)}") from error
            self.unsure = ""
        for job, slurm_job in zip(array, submitted, strict=True):
            self._watch(job, slurm_job, name)

    def poll(self, seconds: float) -> Iterator[tuple[Job, Mapping[str, Any]]]:
        """Yield what the queue, the logs and the results say, every so many seconds."""
        if time.monotonic() < self.look_at:
            return
        self.look_at = time.monotonic() + (STOP_SECONDS if self.stopping else self.hparams.poll)
        found = slurm_queue.find(self.names)
        self._tell_of_silence(found is not None)
        states = {job_id: state for job_id, _, state in found or ()}
        for folder, (job, slurm_job) in list(self.submitted.items()):
            state = states.get(slurm_job.job_id, "") if found is not None else "PENDING"
            if state == "RUNNING":
                yield job, {"event": "started"}
            outcome = self._outcome(folder, slurm_job, state)
            if outcome or state != "PENDING":
                for record in self._new_records(folder):
                    yield job, {"event": "evaluated", **record}
            if outcome:
                del self.submitted[folder]
                yield job, outcome

    def stop(self) -> None:
        """Cancel all jobs; those that run write checkpoints."""
        self.stopping, self.look_at = True, 0.0
        slurm_queue.cancel(slurm_job.job_id for _, slurm_job in self.submitted.values())

    def close(self) -> None:
        """Cancel what is left, also what SLURM may have without this command knowing."""
        if self.submitted or self.unsure:
            self.stop()
            if self.unsure:
                slurm_queue.cancel([f"--name={self.unsure}"])
            if slurm_queue.find([*self.names, self.unsure]) is None:
                self.say("SLURM does not answer: type the same command later, to see to its jobs")

    def _tell_of_silence(self, answered: bool) -> None:
        """Say once where SLURM does not answer for long; jobs that it lost would look the same."""
        now = time.monotonic()
        if answered:
            self.silent_since = None
            return
        since = self.silent_since = now if self.silent_since is None else self.silent_since
        if now - since >= PATIENCE_SECONDS and not self.told_silent:
            self.told_silent = True
            self.say("SLURM has not answered squeue for a while; the runs are asked for again")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Have no other command submit, or look for jobs, in this block."""
        tell_at = time.monotonic() + PATIENCE_SECONDS
        while isinstance(claim := acquire(self.folder), Owner):
            if time.monotonic() > tell_at:
                tell_at = math.inf
                self.say(f"waiting for another command that is submitting jobs: {claim}")
            time.sleep(0.1)
        with claim:
            yield

    def _adopt(self, jobs: Sequence[Job]) -> list[Job]:
        """Watch those of the jobs that SLURM has already, and return the others.

        A job without submitit's file is of a command that was killed between submitting it and
        writing that file. It would do nothing, and is cancelled.
        """
        listed, wanted = self._listed(), {str(job.folder): job for job in jobs}
        found = slurm_queue.find(listed) if listed else []
        if found is None:
            return list(jobs)
        there = [(job_id, name) for job_id, name, state in found if state in slurm_queue.ALIVE]
        torn = []
        for job_id, name in there:
            slurm_job = _submitted(self.folder, job_id)
            index = int(job_id.partition("_")[2] or 0)
            if not slurm_job.paths.submitted_pickle.exists():
                torn.append(job_id)
            elif not slurm_job.paths.result_pickle.exists():
                job = wanted.pop("".join(listed[name][index : index + 1]), None)
                if job is not None:
                    self._watch(job, slurm_job, name)
        slurm_queue.cancel(torn)
        self._write({name: listed[name] for _, name in there})
        return list(wanted.values())

    def _watch(self, job: Job, slurm_job: Any, name: str) -> None:
        self.submitted[job.folder] = job, slurm_job
        self.names.add(name)
        self.seen.setdefault(job.folder, len(list(read_log(job.folder))))

    def _listed(self) -> dict[str, list[str]]:
        """Return the names of arrays with the folders of their runs, as they are written down."""
        with contextlib.suppress(UnreadableRun):
            return {
                name: [str(run) for run in runs]
                for name, runs in (read_json(self.folder / LIST) or {}).items()
                if NAME.fullmatch(name) and isinstance(runs, list)
            }
        return {}

    def _write(self, listed: Mapping[str, Sequence[str]]) -> None:
        write_json(self.folder / LIST, listed)

    def _executor(self, name: str) -> Any:
        """Return submitit's executor for an array of this name."""
        import submitit

        asked = self.hparams
        _check_one_line("the folder of the runs", str(self.folder))
        executor = submitit.SlurmExecutor(self.folder / "%j", max_num_timeout=asked.requeues)
        optional = {
            key: getattr(asked, key) for key in ("partition", "account", "qos", "constraint")
        }
        for key, text in optional.items():
            _check_one_line(f"slurm[{key}]", text)
        optional["gpus_per_node"] = asked.gpus
        executor.update_parameters(
            job_name=name,
            time=asked.time,
            mem=f"{int(asked.memory * 1024)}MB",
            cpus_per_task=asked.cpus,
            signal_delay_s=asked.notice,
            array_parallelism=asked.at_once,
            additional_parameters={"requeue": True},
            **{key: value for key, value in optional.items() if value},
        )
        return executor

    def _outcome(self, folder: Path, slurm_job: Any, state: str) -> Mapping[str, Any] | None:
        """Return the last event of a job that is over."""
        job_id, paths = slurm_job.job_id, slurm_job.paths
        # Once it is stopped, the command ends when the queue is empty of its jobs.
        leaving = self.stopping and state in slurm_queue.ALIVE
        if paths.result_pickle.exists() and not leaving:
            error = slurm_job.exception()
            if error is None:
                return {"event": "finished", "result": slurm_job.result()}
            # Of the job itself; a failure of the run is a result.
            cause = f"{job_id}: {_sentence(error)}"
            return {"event": "lost", "what": "its SLURM job failed", "cause": cause, "attempts": 1}
        if state in slurm_queue.ALIVE:
            self.missing.pop(folder, None)
            return None
        since = self.missing.setdefault(folder, time.monotonic())
        if not self.stopping and time.monotonic() - since < GRACE_SECONDS:
            return None
        del self.missing[folder]
        what, cause = "its SLURM job ended without a result", f"{job_id} as {state or 'unknown'}"
        return {"event": "lost", "what": what, "cause": cause, "advice": f"see {paths.stderr}"}

    def _new_records(self, folder: Path) -> list[dict[str, Any]]:
        """Return the evaluations since the last call; those that a resume repeats come once."""
        fresh = list(read_log(folder))[self.seen[folder] :]
        self.seen[folder] += len(fresh)
        return fresh


def _check_one_line(what: str, text: str) -> None:
    """Check that a text stays on its line of the job script, where submitit quotes it.

    Options are checked where they are read; this holds whoever made the executor, and wherever the
    command was typed.

    Raises:
        UsageError: it would begin another line.
    """
    if text.splitlines() not in ([], [text]):
        raise UsageError(f"--executor slurm: {what} holds a line break: leave it out")


def _submitted(folder: Path, job_id: str) -> Any:
    from submitit.slurm.slurm import SlurmJob

    return SlurmJob(folder / "%j", job_id, [0])


def _sentence(error: Exception) -> str:
    """Return the line of a message that says what is wrong: the last one that is not indented."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
