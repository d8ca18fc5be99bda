"""Runs as tasks of a Ray cluster, with cores and shares of GPUs.

The nodes need ltbench of the same version and the images under the same paths. They need not see
the folder of the runs: where one does not, runs are sent there and back whole.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltbench.api import Claim, ClaimLost, Job, Owner, Slots, acquire, hparam
from ltbench.api import HParams as Parameters
from ltbench_clusters.cluster import ClusterExecutor

if TYPE_CHECKING:
    from ltbench_clusters.ray_task import Files

NODE_LOSSES = 10
"""How many nodes a run may lose through no fault of its own."""


ANSWER_SECONDS = 2.0
GRACE_SECONDS = 60.0
"""That a run has after its timeout, for an evaluation and a checkpoint."""


class RayParameters(Parameters):
    """Which cluster, and what of it each run takes."""

    address: str = hparam("", help="of the head, host:port; RAY_ADDRESS or a local one if empty")
    cpus: float = hparam(1.0, low=0.01, high=1024.0, help="cores of a run")
    gpus: float = hparam(0.0, low=0.0, high=64.0, help="GPUs of a run, or a share of one")
    memory: float = hparam(0.0, low=0.0, high=4096.0, help="GB of a run; 0 does not ask for any")


class RayExecutor(ClusterExecutor):
    """Ray tasks with CPU and fractional GPU resources, on a local or an existing cluster."""

    name = package = "ray"
    HParams = RayParameters
    hparams: RayParameters

    def __init__(self, slots: Slots, hparams: RayParameters) -> None:
        super().__init__(slots, hparams)
        self.claims: dict[Path, Claim] = {}  # of runs that are on nodes that do not see the folder
        self.running: dict[Any, Job] = {}  # by Ray's reference
        self.elsewhere: list[tuple[Job, Owner]] = []
        self.started: dict[Path, float] = {}  # by time.monotonic
        self.hung: set[Any] = set()  # tasks that were told to die
        self.told: set[str] = set()
        self.asked: Any = None  # what the mailbox has yet to answer
        self.asked_at = 0.0

    def open(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Join the cluster and see what it offers.

        Raises:
            UsageError: there is no cluster at the address, or its nodes have another version.
        """
        from ltbench_clusters.ray_cluster import capacity, connect, nodes_see, on_node
        from ltbench_clusters.ray_task import Mailbox

        asked = self.hparams
        connect(asked.address)
        self.most = capacity(asked.cpus, asked.gpus, asked.memory)
        self.shared = nodes_see(jobs[0].folder.parents[3])
        self.mailbox = Mailbox.options(scheduling_strategy=on_node()).remote()
        return ()

    def capacity(self) -> int:
        """Return how many more tasks the cluster takes."""
        return self.most - len(self.running)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Send off a task for each job, with the run's folder where the nodes do not see it."""
        from ltbench_clusters.ray_task import carry_out, carry_out_once, pack, pack_first_stage

        options = {
            "num_cpus": self.hparams.cpus,
            "num_gpus": self.hparams.gpus,
            "memory": int(self.hparams.memory * 1e9) or None,
            "max_retries": 0,
        }
        for job in jobs:
            files, first = None, {}
            if not self.shared:
                job.folder.mkdir(parents=True, exist_ok=True)
                claim = acquire(job.folder, job.abandoned)
                if isinstance(claim, Owner):
                    self.elsewhere.append((job, claim))
                    continue
                self.claims[job.folder], files = claim, pack(job.folder)
                first = pack_first_stage(job)
            there = replace(job, threads=max(1, int(self.hparams.cpus)))
            # The suite's own algorithms leave a process as they found it; nobody else promised to.
            alone = bool(job.spec.plugins) or job.device.startswith("cuda")
            function = carry_out_once if alone else carry_out
            task = function.options(**options).remote(there, self.mailbox, files, first)
            self.running[task] = job

    def poll(self, seconds: float) -> Iterator[tuple[Job, Mapping[str, Any]]]:
        """Yield what the tasks reported, and what came of those that are over."""
        import ray

        from ltbench.api import claimed

        for job, owner in self.elsewhere:
            yield job, {"event": "finished", "result": claimed(owner)}
        self.elsewhere.clear()
        over = ray.wait(list(self.running), timeout=seconds)[0] if self.running else []
        jobs = {job.folder: job for job in self.running.values()}
        for folder, event in self._collected():
            if folder in jobs:
                if event["event"] == "started":
                    self.started[folder] = time.monotonic()
                yield jobs[folder], event
        self._end_hung()
        for task in over:
            yield self.running[task], self._outcome(task, self.running.pop(task))

    def stop(self) -> None:
        """Have the tasks write checkpoints and return."""
        self.mailbox.stop.remote()

    def close(self) -> None:
        """Leave the cluster, which drops what is still running, and give up the claims."""
        import ray

        ray.shutdown()
        for claim in self.claims.values():
            claim.release()

    def _collected(self) -> list[tuple[Path, Mapping[str, Any]]]:
        """Return what the mailbox has, and say once where it or a task has been silent for long."""
        import ray

        from ltbench_clusters.ray_task import SILENT_SECONDS

        if self.asked is None:
            self.asked, self.asked_at = self.mailbox.collect.remote(), time.monotonic()
        if not ray.wait([self.asked], timeout=ANSWER_SECONDS)[0]:
            if time.monotonic() - self.asked_at > SILENT_SECONDS:
                self._say_once(f"the Ray cluster has not answered for {SILENT_SECONDS:g} s")
            return []
        answer, self.asked = self.asked, None
        events, silent = ray.get(answer)
        names = {job.folder: job for job in self.running.values()}
        for folder in silent:
            if folder in names:
                what = f"no sign of progress for {SILENT_SECONDS:g} s from its Ray task"
                self._say_once(f"{names[folder].spec.label} seed {names[folder].spec.seed}: {what}")
        return list(events)

    def _end_hung(self) -> None:
        """Have tasks killed that are long over their time."""
        import ray

        for task, job in self.running.items():
            since = self.started.get(job.folder)
            if job.timeout is None or since is None or task in self.hung:
                continue
            if time.monotonic() - since > job.timeout + GRACE_SECONDS:
                self.hung.add(task)
                ray.cancel(task, force=True)

    def _say_once(self, sentence: str) -> None:
        if sentence not in self.told:
            self.told.add(sentence)
            self.say(sentence)

    def _outcome(self, task: Any, job: Job) -> Mapping[str, Any]:
        """Return a task's last event; what it changed in the run's folder is then at home."""
        import ray
        from ray.exceptions import NodeDiedError, RayError

        claim = self.claims.pop(job.folder, None)
        self.started.pop(job.folder, None)
        self.mailbox.forget.remote(job.folder)
        with claim or contextlib.nullcontext():
            try:
                result, files, first = ray.get(task)
            except RayError as error:
                if task in self.hung:
                    what = f"hung: it had not stopped long after its --timeout of {job.timeout:g} s"
                    return {"event": "lost", "what": what, "attempts": 1}
                cause = str(error).strip().splitlines()[0]
                if isinstance(error, NodeDiedError):
                    lost = {"what": "its node was lost", "attempts": NODE_LOSSES}
                else:
                    lost = {"what": "its Ray task was lost"}
                return {"event": "lost", "cause": cause, **lost}
            if claim is not None:
                _bring_home(job, claim, files, first)
        return {"event": "finished", "result": result}


def _bring_home(job: Job, claim: Claim, files: Files, first: Files) -> None:
    from ltbench_clusters.ray_task import unpack, unpack_first_stage

    with contextlib.suppress(OSError):  # others can train it again
        unpack_first_stage(job, first)
    with contextlib.suppress(ClaimLost):
        claim.confirm()
        unpack(job.folder, files)
