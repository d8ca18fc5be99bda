"""Step counts that published methods give for a training of 5001 steps."""

from __future__ import annotations

REFERENCE_STEPS = 5001


def in_proportion(reference: int, steps: int) -> int:
    """Return what ``reference`` steps of 5001 are in a training of ``steps`` steps."""
    return round(reference * steps / REFERENCE_STEPS)
