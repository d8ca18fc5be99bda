"""Registers the algorithms of this package."""

from __future__ import annotations

from ltbench.api import Register, hookimpl


@hookimpl
def ltbench_algorithms(register: Register) -> None:
    """Register the baselines."""
    register("erm", "ltbench_baselines.erm:ERM", summary="Cross-entropy over all domains")
