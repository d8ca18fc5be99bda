"""Registers the modifiers of this package."""

from __future__ import annotations

from ltbench import hookimpl
from ltbench.api import Register

MODIFIERS = (
    ("ema", "ema:EMA", "Exponential moving average of the weights"),
    ("imbsam", "imbsam:ImbSAM", "Sharpness-aware steps on the tail classes only"),
    ("lookahead", "lookahead:Lookahead", "Slow weights that follow the fast ones every k steps"),
    ("sam", "sam:SAM", "Sharpness-aware steps"),
    ("swa", "swa:SWA", "Average of weights of the last part of the training"),
    ("swad", "swad:SWAD", "Average of all weights in a valley of the validation loss"),
)


@hookimpl
def ltbench_modifiers(register: Register) -> None:
    """Register the modifiers."""
    for name, place, summary in MODIFIERS:
        register(name, f"ltbench_modifiers.{place}", summary=summary)
