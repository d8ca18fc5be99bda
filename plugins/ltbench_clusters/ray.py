"""Runs as tasks of a Ray cluster, with cores and shares of GPUs.

The nodes need ltbench of the same version and the images under the same paths. They need not see
the folder of the runs: where one does not, runs are sent there and back whole.
"""

from __future__ import annotations

import contextlib
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
        from ltbench_clusters.ray_task import carry_out, pack

        options = {
            "num_cpus": self.hparams.cpus,
            "num_gpus": self.hparams.gpus,
            "memory": int(self.hparams.memory * 1e9) or None,
            "max_retries": 0,
        }
        for job in jobs:
            files = None
            if not self.shared:
                job.folder.mkdir(parents=True, exist_ok=True)
                claim = acquire(job.folder, job.abandoned)
                if isinstance(claim, Owner):
                    self.elsewhere.append((job, claim))
                    continue
                self.claims[job.folder], files = claim, pack(job.folder)
            there = replace(job, threads=max(1, int(self.hparams.cpus)))
            task = carry_out.options(**options).remote(there, self.mailbox, files)
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
        for folder, event in ray.get(self.mailbox.collect.remote()):
            if folder in jobs:
                yield jobs[folder], event
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

    def _outcome(self, task: Any, job: Job) -> Mapping[str, Any]:
        """Return a task's last event; what it changed in the run's folder is then at home."""
        import ray
        from ray.exceptions import NodeDiedError, RayError

        claim = self.claims.pop(job.folder, None)
        with claim or contextlib.nullcontext():
            try:
                result, files = ray.get(task)
            except RayError as error:
                cause = str(error).strip().splitlines()[0]
                if isinstance(error, NodeDiedError):
                    lost = {"what": "its node was lost", "attempts": NODE_LOSSES}
                else:
                    lost = {"what": "its Ray task was lost"}
                return {"event": "lost", "cause": cause, **lost}
            if claim is not None:
                _bring_home(job, claim, files)
        return {"event": "finished", "result": result}


def _bring_home(job: Job, claim: Claim, files: Files) -> None:
    from ltbench_clusters.ray_task import unpack

    with contextlib.suppress(ClaimLost):
        claim.confirm()
        unpack(job.folder, files)
