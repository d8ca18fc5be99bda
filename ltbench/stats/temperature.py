"""One number that makes a network's probabilities honest: the temperature of its softmax."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from ltbench.results.logits import Logits

_MOST_LOG = 4.0
"""Of the temperature, either way: from 1/55 to 55."""
_LEAST_LOG_P = -700.0
_SLAB = 4096


def fitted_temperature(validation: Logits) -> float:
    """Return the T for which the softmax of z/T has the smallest mean loss on validation images.

    Guo et al., "On calibration of modern neural networks", ICML 2017, arXiv:1706.04599, section
    4.2. No answer changes, only how sure the network says it is.

    Args:
        validation: logits and true classes.

    Raises:
        ValueError: there is no image.
    """
    if not len(validation):
        raise ValueError("there are no validation images to fit a temperature on")

    def loss(log_t: float) -> float:
        total = 0.0
        for first in range(0, len(validation), _SLAB):
            part = validation.rows(slice(first, first + _SLAB))
            log_p = at_temperature(part.log_probabilities(), float(np.exp(log_t)))
            total -= float(log_p[np.arange(len(part)), part.classes].sum())
        return total / len(validation)

    found = minimize_scalar(loss, bounds=(-_MOST_LOG, _MOST_LOG), method="bounded")
    return float(np.exp(found.x))


def at_temperature(log_p: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return log-probabilities (N, C) with the logits divided by a temperature.

    Args:
        log_p: logits, or log-probabilities, which differ from them by a number of each image.
        temperature: above 0.
    """
    z = np.maximum(log_p, _LEAST_LOG_P) / temperature
    z -= z.max(axis=1, keepdims=True)
    found: NDArray[np.float64] = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return found


def reweighted(
    log_p: NDArray[np.float64], wanted: NDArray[np.float64], assumed: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return log-probabilities (N, C) under another distribution of the classes.

    p'(y | x) ∝ p(y | x) · q(y)/π(y), Saerens, Latinne & Decaestecker, Neural Computation 14 (2002),
    equation 2.4.

    Args:
        log_p: log-probabilities.
        wanted: q, (C,); a class of probability 0 is never answered.
        assumed: π, which the probabilities stand for, (C,), positive.
    """
    with np.errstate(divide="ignore"):
        z = log_p + np.log(wanted) - np.log(assumed)
    z = z - z.max(axis=1, keepdims=True)
    found: NDArray[np.float64] = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return found
