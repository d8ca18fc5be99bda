"""Runs as tasks of a Ray cluster, with cores and shares of GPUs.

The nodes need ltbench of the same version and the images under the same paths. They need not see
the folder of the runs: where one does not, runs are sent there and back whole.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ltbench.errors import UsageError
from ltbench.executors.base import Executor, Observe, Stopped
from ltbench.executors.burial import bury
from ltbench.executors.cluster import choose_cluster_device
from ltbench.executors.ray_cluster import connect, nodes_see, room, this_node
from ltbench.executors.signals import Interrupts
from ltbench.executors.slots import Slots
from ltbench.executors.waiting import Waiting
from ltbench.plugins import hparams as parameters
from ltbench.plugins.hparams import hparam
from ltbench.results.claim import Claim, ClaimLost, Owner, acquire
from ltbench.training.job import Job

if TYPE_CHECKING:
    from ltbench.executors.ray_task import Files

ATTEMPTS = 2
"""How often a run is tried whose own process dies."""
NODE_LOSSES = 10
"""How many nodes a run may lose through no fault of its own."""
WAIT_SECONDS = 0.5


class RayParameters(parameters.HParams):
    """Which cluster, and what of it each run takes."""

    address: str = hparam("", help="of the head, host:port; RAY_ADDRESS or a local one if empty")
    cpus: float = hparam(1.0, low=0.01, high=1024.0, help="cores of a run")
    gpus: float = hparam(0.0, low=0.0, high=64.0, help="GPUs of a run, or a share of one")
    memory: float = hparam(0.0, low=0.0, high=4096.0, help="GB of a run; 0 does not ask for any")


class RayExecutor(Executor):
    """Ray tasks with CPU and fractional GPU resources, on a local or an existing cluster."""

    HParams = RayParameters
    hparams: RayParameters

    def __init__(self, slots: Slots, hparams: RayParameters) -> None:
        super().__init__(slots, hparams)
        try:
            import ray  # noqa: F401
        except ImportError as error:
            raise UsageError(
                "--executor ray needs the package ray: pip install 'ltbench[ray]'"
            ) from error

    @classmethod
    def choose_device(cls, asked: str, hparams: parameters.HParams) -> str:
        """Return the device that the tasks compute on: a GPU if they take one."""
        assert isinstance(hparams, RayParameters)
        return choose_cluster_device(asked, "ray", hparams.gpus)

    def run(self, jobs: Sequence[Job], observe: Observe) -> None:
        """Carry out the jobs, the longest first, wherever the cluster has room.

        Raises:
            Stopped: Ctrl-C; running tasks have written their checkpoints.
            UsageError: there is no cluster at the address, or its nodes have another version.
        """
        import ray

        threads = max(1, int(self.hparams.cpus))
        jobs = [replace(job, threads=threads) for job in jobs]
        connect(self.hparams.address)
        try:
            tasks = _Tasks(self.hparams, jobs, observe, self.say)
            with Interrupts() as interrupts, contextlib.closing(tasks):
                tasks.serve(interrupts)
        except KeyboardInterrupt:
            raise Stopped from None
        finally:
            ray.shutdown()


class _Tasks:
    """The state of one call of :meth:`RayExecutor.run`."""

    def __init__(
        self,
        asked: RayParameters,
        jobs: Sequence[Job],
        observe: Observe,
        say: Callable[[str], None],
    ) -> None:
        from ltbench.executors.ray_task import Mailbox

        self.asked, self.observe, self.say = asked, observe, say
        self.queue = sorted(jobs, key=lambda job: job.cost)  # the longest is taken from the end
        self.jobs = {str(job.folder): job for job in jobs}
        self.most = room(asked.cpus, asked.gpus, asked.memory)
        self.shared = nodes_see(jobs[0].folder.parents[3])
        self.mailbox = Mailbox.options(scheduling_strategy=this_node()).remote()
        self.claims: dict[str, Claim] = {}
        self.running: dict[Any, str] = {}  # Ray's reference → run folder
        self.waiting = Waiting()
        self.started: set[str] = set()
        self.deaths: Counter[str] = Counter()
        self.stopping = False

    def serve(self, interrupts: Interrupts) -> None:
        """Hand out jobs and pass events on until all is done, or stopped.

        Raises:
            Stopped: the user asked for it.
        """
        import ray

        while True:
            if interrupts.count and not self.stopping:
                self._stop()
            while self.queue and len(self.running) < self.most:
                job = self.queue.pop()
                self._take(job, self.waiting.look(job))
            for job, found in list(self.waiting.poll()):
                self._take(job, found)
            if not self.running and not self.waiting:
                break
            ready = ray.wait(list(self.running), timeout=WAIT_SECONDS)[0] if self.running else []
            if not self.running:
                time.sleep(WAIT_SECONDS)
            for run, event in ray.get(self.mailbox.collect.remote()):
                self._pass_on(run, event)
            for reference in ready:
                self._collect(reference)
        if self.stopping:
            raise Stopped

    def close(self) -> None:
        """Give up every claim that is still held for a node."""
        for claim in self.claims.values():
            claim.release()

    def _stop(self) -> None:
        self.stopping = True
        self.queue.clear()
        self.waiting.clear()
        self.mailbox.stop.remote()
        self.say("stopping: the runs write their checkpoints; Ctrl-C again stops at once")

    def _take(self, job: Job, found: Job | Mapping[str, Any] | None) -> None:
        """Send a job off, report what another command did, or leave it to that command."""
        if isinstance(found, Job):
            self._send(found)
        elif found is not None:
            self._finish(str(job.folder), found)

    def _send(self, job: Job) -> None:
        from ltbench.executors.ray_task import carry_out, pack

        run, files = str(job.folder), None
        if not self.shared:
            job.folder.mkdir(parents=True, exist_ok=True)
            claim = acquire(job.folder, job.gone)
            if isinstance(claim, Owner):
                self.queue.append(job)  # the next look at it puts it aside
                return
            self.claims[run], files = claim, pack(job.folder)
        task = carry_out.options(
            num_cpus=self.asked.cpus,
            num_gpus=self.asked.gpus,
            memory=int(self.asked.memory * 1e9) or None,
            max_retries=0,
        )
        self.running[task.remote(job, self.mailbox, files)] = run

    def _pass_on(self, run: str, event: Mapping[str, Any]) -> None:
        if event["event"] != "started":
            self.observe(self.jobs[run], event)
        elif run not in self.started:
            self.started.add(run)
            self.observe(self.jobs[run], event)

    def _collect(self, reference: Any) -> None:
        """Take in what a task returned, or try its run again if the task was lost."""
        import ray
        from ray.exceptions import NodeDiedError, RayError

        run = self.running.pop(reference)
        try:
            result, files = ray.get(reference)
        except RayError as error:
            cause = str(error).strip().splitlines()[0]
            self._lost(run, cause, node=isinstance(error, NodeDiedError))
            return
        if files is not None:
            self._bring_home(run, files)
        if result.get("status") == "claimed" and not self.stopping:
            self.queue.append(self.jobs[run])
        else:
            self._finish(run, result)

    def _bring_home(self, run: str, files: Files) -> None:
        from ltbench.executors.ray_task import unpack

        with self.claims.pop(run) as claim, contextlib.suppress(ClaimLost):
            claim.confirm()
            unpack(self.jobs[run].folder, files)

    def _lost(self, run: str, cause: str, *, node: bool) -> None:
        """Try a run again whose process or node is gone, a limited number of times."""
        if (claim := self.claims.pop(run, None)) is not None:
            claim.release()
        self.deaths[run] += 1
        if self.stopping:
            self._finish(run, {"status": "interrupted"})
        elif self.deaths[run] < (NODE_LOSSES if node else ATTEMPTS):
            self.queue.append(self.jobs[run])
        else:
            tries = self.deaths[run]
            self._finish(run, bury(self.jobs[run], f"its Ray task was lost {tries} times: {cause}"))

    def _finish(self, run: str, result: Mapping[str, Any]) -> None:
        self._pass_on(run, {"event": "started"})
        self.observe(self.jobs[run], {"event": "finished", "result": result})
