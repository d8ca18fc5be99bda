"""What a SLURM job does: one run, checkpointed and requeued when its time is up."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

os.environ["SUBMITIT_PREEMPT_SIGNAL"] = "USR1"  # read when submitit is imported

from submitit.helpers import Checkpointable

from ltbench.api import Job, execute_when_free
from ltbench_clusters.slurm_queue import requeue_if_preempted


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
        result = execute_when_free(job, _print_notice, lambda: bool(received))
        if result.get("status") == "interrupted":
            if signal.SIGUSR1 in received and callable(requeue):
                requeue(signal.SIGUSR1, None)
            if requeue_if_preempted(os.environ["SLURM_JOB_ID"]):
                sys.exit("preempted: requeued with its checkpoint")
        return result


def _print_notice(event: Mapping[str, Any]) -> None:
    """Leave what is for the user among what the job prints; SLURM carries nothing else home."""
    if event["event"] == "notice":
        print(event["sentence"], file=sys.stderr, flush=True)
