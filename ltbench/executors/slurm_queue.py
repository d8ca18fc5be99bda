"""What SLURM's own commands say and do: the queue, its limits, cancelling."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable

from ltbench.errors import UsageError

ALIVE = frozenset(
    {
        "PENDING",
        "RUNNING",
        "SUSPENDED",
        "REQUEUED",
        "REQUEUE_FED",
        "CONFIGURING",
        "COMPLETING",
        "RESIZING",
        "SIGNALING",
        "STAGE_OUT",
        "STOPPED",
        "PREEMPTED",
    }
)
"""States of a job that may still run; https://slurm.schedmd.com/job_state_codes.html."""

LARGEST_ARRAY = 1001  # SLURM's default for MaxArraySize


def require_slurm() -> None:
    """Check that this machine can submit.

    Raises:
        UsageError: SLURM's commands are not there.
    """
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise UsageError(
            "--executor slurm: there is no sbatch here; type the command on a machine of the "
            "cluster from which jobs are submitted"
        )


def states(job_ids: Iterable[str]) -> dict[str, str] | None:
    """Return the state of each job that the queue knows, or ``None`` if it does not answer.

    Args:
        job_ids: as in ``17_3`` (the fourth of an array) or ``17``.
    """
    arrays = sorted({job_id.partition("_")[0] for job_id in job_ids})
    command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i %A %T"]
    try:
        # One by one, since squeue refuses the whole list where it has forgotten one of them.
        answers = [_ask([*command, f"--jobs={array}"]) for array in arrays]
    except subprocess.SubprocessError:
        return None
    found = {}
    for line in "\n".join(answers).splitlines():
        job_id, single, state = line.split()
        found[job_id] = found[single] = state
    return found


def cancel(job_ids: Iterable[str]) -> None:
    """Have jobs terminated: SIGTERM now, SIGKILL after the cluster's KillWait."""
    if ids := sorted(set(job_ids)):
        subprocess.run(["scancel", *ids], check=False, capture_output=True, timeout=60)


def requeue_if_preempted(job_id: str) -> bool:
    """Put a job back into the queue that is to make room for another.

    SLURM does so itself only if the job is still there when its grace time ends; one that has left
    by then, since it has nothing more to do, counts as finished.
    """
    shown = _ask(["scontrol", "show", "job", job_id])
    preempted = re.search(r"\bPreemptTime=\d", shown) is not None
    return preempted and _succeeds(["scontrol", "requeue", job_id])


def largest_array() -> int:
    """Return how many jobs an array may have."""
    try:
        configuration = _ask(["scontrol", "show", "config"])
    except subprocess.SubprocessError:
        return LARGEST_ARRAY
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", configuration, re.MULTILINE)
    return int(found[1]) if found else LARGEST_ARRAY


def _ask(command: list[str]) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if answer.returncode and "Invalid job id" not in answer.stderr:
        answer.check_returncode()
    return answer.stdout


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
