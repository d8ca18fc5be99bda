"""What SLURM's own commands say and do: the queue, its limits, cancelling."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable

from ltbench.api import UsageError

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


def find(names: Iterable[str]) -> list[tuple[str, str, str]] | None:
    """Return id, name and state of all jobs of these names, or ``None`` without an answer.

    An id is as in ``17_3`` (the fourth of an array) or ``17``. Jobs that ended stay for a while
    (the cluster's MinJobAge).
    """
    command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i %j %T"]
    answer = _ask([*command, f"--name={','.join(names)}"])
    return None if answer is None else re.findall(r"^(\S+) (\S+) (\S+)$", answer, re.MULTILINE)


def cancel(what: Iterable[str]) -> None:
    """Have jobs terminated: SIGTERM now, SIGKILL after the cluster's KillWait.

    Args:
        what: their ids, or ``--name=NAME`` for all of that name.
    """
    if arguments := sorted(what):
        _ask(["scancel", *arguments])


def requeue_if_preempted(job_id: str) -> bool:
    """Put a job back into the queue that is to make room for another.

    SLURM does so itself only if the job is still there when its grace time ends; one that has left
    by then, since it has nothing more to do, counts as finished.
    """
    preempted = re.search(r"\bPreemptTime=\d", _ask(["scontrol", "show", "job", job_id]) or "")
    return preempted is not None and _ask(["scontrol", "requeue", job_id]) is not None


def largest_array() -> int:
    """Return how many jobs an array may have."""
    shown = _ask(["scontrol", "show", "config"]) or ""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", shown, re.MULTILINE)
    return int(found[1]) if found else LARGEST_ARRAY


def _ask(command: list[str]) -> str | None:
    """Return what a command of SLURM prints, or ``None`` if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
