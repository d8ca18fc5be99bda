"""What a metric sees: the model's answers on a set of images, as plain NumPy arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.plugins.shots import ShotRule


@dataclass(frozen=True)
class Predictions:
    """Answers on N images of D domains and C classes.

    Attributes:
        y: true classes, (N,) in 0…C-1.
        d: domains, (N,) in 0…D-1.
        prediction: predicted classes, (N,).
        confidence: softmax probability of the prediction, (N,) in 0…1.
        nll: negative log-likelihood of the true class in nats, (N,).
        counts: training images per domain and class, (D, C); in the row of a domain that was kept
            from training those of each class in all training domains.
        many: pairs with more training images than this are many-shot.
        few: pairs with at most this many (but some) training images are few-shot.
        many_inclusive: whether pairs with exactly ``many`` are many-shot too.
        few_inclusive: whether pairs with exactly ``few`` are few-shot; see :attr:`shots`.
        probabilities: softmax probabilities of all classes, (N, C) in 0…1; ``None`` where they are
            not known, as of runs that kept the predicted classes alone.
    """

    y: NDArray[np.int64]
    d: NDArray[np.int64]
    prediction: NDArray[np.int64]
    confidence: NDArray[np.float64]
    nll: NDArray[np.float64]
    counts: NDArray[np.int64]
    many: int
    few: int
    many_inclusive: bool = False
    few_inclusive: bool = True
    probabilities: NDArray[np.floating[Any]] | None = None

    def __len__(self) -> int:
        return len(self.y)

    @property
    def shots(self) -> ShotRule:
        """The rule by which domain-class pairs are many-, medium-, few- and zero-shot."""
        return ShotRule(self.many, self.few, self.many_inclusive, self.few_inclusive)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each prediction is right, (N,)."""
        return self.prediction == self.y

    def where(self, mask: NDArray[np.bool_]) -> Predictions:
        """Return the images that ``mask`` (N,) selects."""
        return replace(
            self,
            y=self.y[mask],
            d=self.d[mask],
            prediction=self.prediction[mask],
            confidence=self.confidence[mask],
            nll=self.nll[mask],
            probabilities=None if self.probabilities is None else self.probabilities[mask],
        )

    def by_domain(self) -> dict[int, Predictions]:
        """Return the predictions of every domain that has images, by domain index."""
        return dict(self._domains)

    @cached_property
    def _domains(self) -> dict[int, Predictions]:
        """The parts, made once for all metrics: the probabilities of a large test set are large."""
        domains = np.unique(self.d)
        if len(domains) == 1:
            return {int(domains[0]): self}
        return {int(d): self.where(self.d == d) for d in domains}
