"""Registers the observers of this package."""

from __future__ import annotations

from ltbench.api import Register, hookimpl


@hookimpl
def ltbench_observers(register: Register) -> None:
    """Register the trackers."""
    register(
        "csv",
        "ltbench_observers.csv_files:CsvFiles",
        summary="metrics.csv in every run's folder, runs.csv over all runs",
    )
    register(
        "tensorboard",
        "ltbench_observers.tensorboard_files:TensorBoard",
        summary="TensorBoard event files in every run's folder",
    )
    register(
        "wandb",
        "ltbench_observers.wandb_runs:WandB",
        summary="A Weights & Biases run for every run, online or offline",
    )
