"""What the executors that reach a cluster have in common."""

from __future__ import annotations

from ltbench.errors import UsageError


def choose_cluster_device(asked: str, executor: str, gpus: float) -> str:
    """Return the device of runs elsewhere: a GPU if the executor asks for one, else the CPU.

    Args:
        asked: what was typed after ``--device``; ``auto`` where nothing.
        executor: the executor's name.
        gpus: how many GPUs, or what share of one, it asks for.

    Raises:
        UsageError: a GPU is wanted that the executor does not ask for.
    """
    device = ("cuda" if gpus else "cpu") if asked == "auto" else asked
    if device.startswith("cuda") and not gpus:
        raise UsageError(f"--device {asked}: write --executor '{executor}[gpus=1]' to get a GPU")
    return device
