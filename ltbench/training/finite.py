"""Answers of a model whose weights left the finite numbers are found out before they are scored."""

from __future__ import annotations

import numpy as np

from ltbench.errors import DivergedError
from ltbench.plugins.predictions import Predictions

LOWER_RATE = "a smaller --lr may help"


def check_finite(found: Predictions, of: str, advice: str = LOWER_RATE) -> None:
    """Return if every image has a finite loss.

    The training's losses say nothing of the last step's weights, which no batch has met yet.

    Args:
        found: answers of a model.
        of: whose answers, and to what.
        advice: what may help.

    Raises:
        DivergedError: an image has none.
    """
    if not np.isfinite(found.nll).all():
        raise DivergedError(f"the loss of {of} is {float(np.mean(found.nll)):g}; {advice}")
