"""Registers the algorithms of this package."""

from __future__ import annotations

from ltbench import hookimpl
from ltbench.plugins.hookspecs import Register


@hookimpl
def ltbench_algorithms(register: Register) -> None:
    """Register the long-tail algorithms."""
    register("focal", "ltbench_longtail.focal:Focal", summary="Focal loss")
    register(
        "bsoftmax",
        "ltbench_longtail.bsoftmax:BSoftmax",
        summary="Balanced softmax: logits shifted by the log counts",
    )
