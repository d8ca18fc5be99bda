"""Registers the executors of this package."""

from __future__ import annotations

from ltbench.api import Register, hookimpl


@hookimpl
def ltbench_executors(register: Register) -> None:
    """Register the executors that reach clusters."""
    register(
        "ray",
        "ltbench_clusters.ray:RayExecutor",
        summary="Tasks of a Ray cluster, with cores and shares of GPUs",
    )
    register(
        "slurm",
        "ltbench_clusters.slurm:SlurmExecutor",
        summary="Job arrays on a SLURM cluster, requeued with their checkpoints",
    )
