"""Empirical risk minimisation."""

from __future__ import annotations

from ltbench.api import Algorithm


class ERM(Algorithm):
    """Empirical risk minimisation (Vapnik, "The nature of statistical learning theory", 1995).

    The mean over domains of the mean cross-entropy −log p(y_i | x_i), which is the default of
    :meth:`ltbench.api.Algorithm.risks`.
    """
