"""Registers the algorithms of this package."""

from __future__ import annotations

from ltbench.api import Register, hookimpl

ALGORITHMS = (
    ("clip-zeroshot", "clip_zeroshot:ClipZeroShot", "CLIP by the names of the classes, untrained"),
    (
        "linear-probe",
        "linear_probe:LinearProbe",
        "Logistic regression on the features of the network as it is",
    ),
)


@hookimpl
def ltbench_algorithms(register: Register) -> None:
    """Register what a network is asked before any training."""
    for name, target, summary in ALGORITHMS:
        register(name, f"ltbench_foundation.{target}", summary=summary)
