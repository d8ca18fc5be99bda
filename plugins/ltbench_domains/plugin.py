"""Registers the algorithms of this package."""

from __future__ import annotations

from ltbench import hookimpl
from ltbench.plugins.hookspecs import Register


@hookimpl
def ltbench_algorithms(register: Register) -> None:
    """Register the domain algorithms."""
    register(
        "dann",
        "ltbench_domains.dann:DANN",
        summary="Domain-adversarial training with a discriminator",
    )
