"""Registers the algorithms of this package."""

from __future__ import annotations

from ltbench.api import Register, hookimpl


@hookimpl
def ltbench_algorithms(register: Register) -> None:
    """Register the algorithms for multi-domain long-tailed recognition."""
    register(
        "boda",
        "ltbench_mdlt.boda:BoDA",
        summary="Balanced domain-class distribution alignment",
    )
    register(
        "brl",
        "ltbench_mdlt.brl:BRL",
        summary="Reweighting balanced representation learning (reconstruction)",
    )
    register(
        "ndcl",
        "ltbench_mdlt.ndcl:NDCL",
        summary="Contrastive learning dominated by hard negatives, on predictions",
    )
    register(
        "tally",
        "ltbench_mdlt.tally:TALLY",
        summary="Joins the content of one image with the style of another inside the network",
    )
