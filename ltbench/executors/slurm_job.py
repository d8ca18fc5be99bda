"""What a SLURM job does: one run, checkpointed and requeued when its time is up."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ["SUBMITIT_PREEMPT_SIGNAL"] = "USR1"  # read when submitit is imported

from submitit.helpers import Checkpointable

from ltbench.executors.slurm_queue import requeue_if_preempted
from ltbench.executors.waiting import POLL_S, Waiting
from ltbench.training.job import Job


class SlurmRun(Checkpointable):
    """Carries out a run inside a SLURM job.

    SIGUSR1 comes before the job's time limit: the run writes a checkpoint and the job is requeued.
    SIGTERM comes when the job is preempted or cancelled: the run writes a checkpoint and ends; one
    that was preempted is requeued.
    """

    def __call__(self, job: Job) -> dict[str, Any]:
        """Return the content of ``result.json`` or ``error.json``, or why there is none."""
        requeue = signal.getsignal(signal.SIGUSR1)  # submitit's, which does not return
        received: list[int] = []
        for number in (signal.SIGUSR1, signal.SIGTERM):
            signal.signal(number, lambda number, _: received.append(number))
        result = _carry_out(job, lambda: bool(received))
        if result.get("status") == "interrupted":
            if signal.SIGUSR1 in received and callable(requeue):
                requeue(signal.SIGUSR1, None)
            if requeue_if_preempted(os.environ["SLURM_JOB_ID"]):
                sys.exit("preempted: requeued with its checkpoint")
        return result


def _carry_out(job: Job, should_stop: Callable[[], bool]) -> dict[str, Any]:
    """Train, once nobody else does: a run whose node was lost stays claimed for a while."""
    from ltbench.training.run import execute

    waiting = Waiting()
    while not should_stop():
        found = waiting.look(job)
        if isinstance(found, Job):
            result = execute(found, lambda _: None, should_stop)
            if result.get("status") != "claimed":
                return result
        elif found is not None:
            return dict(found)
        time.sleep(POLL_S)
    return {"status": "interrupted"}
