"""Registers the tables of this package."""

from __future__ import annotations

from ltbench.api import Register, hookimpl


@hookimpl
def ltbench_tables(register: Register) -> None:
    """Register the tables."""
    register(
        "ablation",
        "ltbench_tables.commands:Ablation",
        summary="All combinations of an algorithm's switchable components",
    )
    register(
        "backbones",
        "ltbench_tables.commands:Backbones",
        summary="Model × loss on balanced, long-tailed, head, middle and tail test images",
    )
    register(
        "losses",
        "ltbench_tables.commands:Losses",
        summary="Loss × balanced, long-tailed, head, middle and tail test images, model by model",
    )
