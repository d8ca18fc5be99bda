"""Runs as jobs of a SLURM cluster, in arrays, submitted through submitit.

The folder of the runs, the images and the Python environment must lie on file systems that the
nodes see.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ltbench.errors import UsageError
from ltbench.executors import slurm_queue
from ltbench.executors.base import Executor, Observe, Stopped
from ltbench.executors.burial import bury
from ltbench.executors.cluster import choose_cluster_device
from ltbench.executors.slots import Slots
from ltbench.executors.waiting import Waiting
from ltbench.plugins import hparams as parameters
from ltbench.plugins.hparams import hparam
from ltbench.results.folder import RunFolder, write_json
from ltbench.results.untrusted import UnreadableRun, read_json
from ltbench.training.job import Job

FOLDER = ".slurm"
GRACE_SECONDS = 15.0  # a shared file system may show a result later than the queue shows its end
RETRIES = 1


class SlurmParameters(parameters.HParams):
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


class SlurmExecutor(Executor):
    """Job arrays on a SLURM cluster: one job a run, requeued with its checkpoint."""

    HParams = SlurmParameters
    hparams: SlurmParameters

    def __init__(self, slots: Slots, hparams: SlurmParameters) -> None:
        super().__init__(slots, hparams)
        slurm_queue.require_slurm()
        try:
            import ltbench.executors.slurm_job  # noqa: F401
        except ImportError as error:
            raise UsageError(
                "--executor slurm needs the package submitit: pip install 'ltbench[slurm]'"
            ) from error

    @classmethod
    def choose_device(cls, asked: str, hparams: parameters.HParams) -> str:
        """Return the device that the jobs compute on: a GPU if they ask for one."""
        assert isinstance(hparams, SlurmParameters)
        return choose_cluster_device(asked, "slurm", hparams.gpus)

    def run(self, jobs: Sequence[Job], observe: Observe) -> None:
        """Submit the jobs, longest first, and collect them as they finish.

        Raises:
            Stopped: Ctrl-C; the jobs have been cancelled and those that ran wrote checkpoints.
        """
        jobs = [replace(job, threads=self.hparams.cpus) for job in jobs]
        sweep = _Submissions(jobs, self.hparams, observe)
        try:
            sweep.start()
            while sweep.open or sweep.waiting:
                time.sleep(self.hparams.poll)
                sweep.collect()
        except KeyboardInterrupt:
            self.say("stopping: jobs write their checkpoints and end; Ctrl-C again does not wait")
            with contextlib.suppress(KeyboardInterrupt):
                sweep.stop()
            raise Stopped from None


class _Submissions:
    """The jobs of a sweep in the queue."""

    def __init__(self, jobs: Sequence[Job], asked: SlurmParameters, observe: Observe) -> None:
        self.asked, self.observe = asked, observe
        self.jobs = {str(job.folder): job for job in jobs}
        self.folder = jobs[0].folder.parents[3] / FOLDER
        self.list = self.folder / "submitted.json"
        self.open: dict[str, Any] = {}  # run folder → submitit's job
        self.waiting = Waiting()
        self.logs = {run: _LogTail(job) for run, job in self.jobs.items()}
        self.begun: set[str] = set()
        self.missing: dict[str, float] = {}
        self.deaths: dict[str, int] = {}

    def start(self) -> None:
        """Submit what is not in the queue already from an earlier command."""
        earlier = self._earlier()
        there = slurm_queue.states(str(job_id) for job_id in earlier.values()) or {}
        for run, job_id in earlier.items():
            if run in self.jobs and there.get(str(job_id)) in slurm_queue.ALIVE:
                self.open[run] = _submitted(self.folder, str(job_id))
        self._take(
            (job, self.waiting.look(job)) for run, job in self.jobs.items() if run not in self.open
        )

    def collect(self) -> None:
        """Report what happened since the last look."""
        now = slurm_queue.states(job.job_id for job in self.open.values())
        for run, submitted in list(self.open.items()):
            state = now.get(submitted.job_id, "") if now is not None else "PENDING"
            if state == "RUNNING":
                self._begin(run)
            for record in self.logs[run].news():
                self._begin(run)
                self.observe(self.jobs[run], {"event": "evaluated", **record})
            if submitted.paths.result_pickle.exists():
                self._take_result(run)
            elif state not in slurm_queue.ALIVE and self._is_gone(run):
                self._bury(run, state)
        self._take(self.waiting.poll())

    def stop(self) -> None:
        """Cancel everything and wait for checkpoints; a second Ctrl-C does not wait."""
        ids = [job.job_id for job in self.open.values()]
        slurm_queue.cancel(ids)
        while any(state in slurm_queue.ALIVE for state in (slurm_queue.states(ids) or {}).values()):
            time.sleep(self.asked.poll)

    def _earlier(self) -> dict[str, Any]:
        try:
            return read_json(self.list) or {}
        except UnreadableRun:
            return {}

    def _take(self, found: Iterable[tuple[Job, Job | Mapping[str, Any] | None]]) -> None:
        """Submit what can be carried out, and report what another command did."""
        free = []
        for job, what in found:
            if isinstance(what, Job):
                self.jobs[str(job.folder)] = what
                free.append(what)
            elif what is not None:
                self._finish(str(job.folder), what)
        if free:
            self._submit(free)

    def _begin(self, run: str) -> None:
        if run not in self.begun:
            self.begun.add(run)
            self.observe(self.jobs[run], {"event": "started"})

    def _submit(self, jobs: Iterable[Job]) -> None:
        from submitit.core.utils import FailedJobError

        from ltbench.executors.slurm_job import SlurmRun

        waiting = sorted(jobs, key=lambda job: -job.cost)
        most = slurm_queue.largest_array() - 1
        for array in (waiting[i : i + most] for i in range(0, len(waiting), most)):
            try:
                submitted = self._executor().map_array(SlurmRun(), array)
            except FailedJobError as error:
                raise UsageError(f"--executor slurm: sbatch refused: {_sentence(error)}") from error
            runs = (str(job.folder) for job in array)
            self.open.update(zip(runs, submitted, strict=True))
        self._remember()

    def _executor(self) -> Any:
        import submitit

        asked = self.asked
        executor = submitit.SlurmExecutor(self.folder / "%j", max_num_timeout=asked.requeues)
        optional = {
            "partition": asked.partition,
            "account": asked.account,
            "qos": asked.qos,
            "constraint": asked.constraint,
            "gpus_per_node": asked.gpus,
        }
        executor.update_parameters(
            job_name="ltbench",
            time=asked.time,
            mem=f"{int(asked.memory * 1024)}MB",
            cpus_per_task=asked.cpus,
            signal_delay_s=asked.notice,
            array_parallelism=asked.at_once,
            additional_parameters={"requeue": True},
            **{key: value for key, value in optional.items() if value},
        )
        return executor

    def _remember(self) -> None:
        """Write down what is in the queue, for a later command to find its jobs again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.list, {run: job.job_id for run, job in self.open.items()})

    def _take_result(self, run: str) -> None:
        submitted = self.open[run]
        error = submitted.exception()
        if error is None:
            self._finish(run, submitted.result())
        else:  # of the job; a failure of the run itself is a result
            self._fail(run, f"SLURM job {submitted.job_id} failed: {_sentence(error)}")

    def _is_gone(self, run: str) -> bool:
        since = self.missing.setdefault(run, time.monotonic())
        return time.monotonic() - since > GRACE_SECONDS

    def _bury(self, run: str, state: str) -> None:
        """Submit a run once more whose job died, and record it as failed the second time."""
        submitted = self.open[run]
        self.missing.pop(run)
        self.deaths[run] = self.deaths.get(run, 0) + 1
        if self.deaths[run] <= RETRIES:
            self._submit([self.jobs[run]])
            return
        ended = f"SLURM job {submitted.job_id} ended as {state or 'unknown'} without a result"
        self._fail(run, f"{ended}, and so did one before; see {submitted.paths.stderr}")

    def _fail(self, run: str, sentence: str) -> None:
        outcome = bury(self.jobs[run], sentence)
        if outcome.get("status") == "claimed":
            del self.open[run]
            self._take([(self.jobs[run], self.waiting.look(self.jobs[run]))])
        else:
            self._finish(run, outcome)

    def _finish(self, run: str, result: Mapping[str, Any]) -> None:
        self.missing.pop(run, None)
        self._begin(run)
        self.observe(self.jobs[run], {"event": "finished", "result": result})
        if self.open.pop(run, None) is not None:
            self._remember()


class _LogTail:
    """The lines of a run's ``log.jsonl`` that have not been seen yet."""

    def __init__(self, job: Job) -> None:
        self.path = RunFolder(job.folder).log
        self.seen = len(self._lines())

    def news(self) -> list[dict[str, Any]]:
        """Return the evaluations since the last call; those that a resume repeats come once."""
        lines = self._lines()
        fresh, self.seen = lines[self.seen :], max(self.seen, len(lines))
        return [json.loads(line) for line in fresh]

    def _lines(self) -> list[str]:
        try:
            text = self.path.read_text(encoding="utf-8")
        except OSError:
            return []
        return [line for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _submitted(folder: Path, job_id: str) -> Any:
    from submitit.slurm.slurm import SlurmJob

    return SlurmJob(folder / "%j", job_id, [0])


def _sentence(error: Exception) -> str:
    """Return the line of a message that says what is wrong: the last one that is not indented."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
