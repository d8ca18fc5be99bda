"""Registers the stages of this package."""

from __future__ import annotations

from ltbench import hookimpl
from ltbench.plugins.hookspecs import Register


@hookimpl
def ltbench_stages(register: Register) -> None:
    """Register the stages."""
    register(
        "crt",
        "ltbench_stages.crt:CRT",
        summary="Classifier re-training on frozen features, class-balanced batches",
    )
