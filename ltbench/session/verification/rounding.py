"""What logits of float16 leave open of the probabilities that a run had."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ltbench.plugins.predictions import Predictions
from ltbench.results.logits import Logits


def rounding_ends(logits: Logits, p: Predictions) -> list[Predictions]:
    """Return the answers with the largest probabilities of the true classes, and the smallest.

    Each class is ranked on its own images against the others, so that where its probability is as
    large as rounding allows on the ones and as small on the others, no ranking can be better.

    Args:
        logits: as they were handed in.
        p: the answers that they give.

    Returns:
        Both, whose probabilities are no longer 1 in sum; none where the logits are not of all
        classes.
    """
    if logits.top is not None or p.probabilities is None:
        return []
    probability = p.probabilities.astype(np.float64)
    # Half of the last of eleven binary digits, or of the smallest number that there is.
    off = np.abs(logits.logits.astype(np.float64)) * 2.0**-11 + 2.0**-25
    # Of the logarithm of a probability, whose sum of exponentials is off as well.
    off += np.log((probability * np.exp(off)).sum(axis=1, keepdims=True))
    own = np.arange(logits.width) == p.y[:, None]
    return [
        replace(p, probabilities=probability * np.exp(np.where(own, sign * off, -sign * off)))
        for sign in (1, -1)
    ]
