"""Fixed numbers that the long-tail losses are checked on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ltbench.api import Algorithm, Batch
from ltbench.testing import build_algorithm, train_info


@dataclass(frozen=True)
class Case:
    """Logits, classes and domains of eight images, and the training images of each pair."""

    counts: NDArray[Any]
    logits: NDArray[Any]
    y: NDArray[Any]
    d: NDArray[Any]

    def build(self, name: str, **info: int) -> Algorithm:
        return build_algorithm(name, train_info(self.counts.tolist(), **info))

    def batch(self) -> Batch:
        x = torch.zeros(len(self.y), 3, 12, 12)
        return Batch(x, torch.tensor(self.y), torch.tensor(self.d))

    def risks(self, algorithm: Algorithm, logits: NDArray[Any] | None = None) -> NDArray[Any]:
        values = torch.tensor(self.logits if logits is None else logits)
        return algorithm.risks(values, self.batch()).detach().numpy()


@pytest.fixture
def long_tail() -> Case:
    """Two domains with other tails; class 3 is absent from the first."""
    return Case(
        counts=np.array([[100, 30, 7, 0], [2, 9, 60, 400]]),
        logits=np.random.default_rng(1).normal(0, 2, (8, 4)),
        y=np.array([0, 1, 2, 0, 3, 2, 1, 0]),
        d=np.array([0, 0, 0, 0, 1, 1, 1, 1]),
    )


@pytest.fixture
def balanced() -> Case:
    """Two domains with the same number of images of every class."""
    return Case(
        counts=np.full((2, 4), 25),
        logits=np.random.default_rng(2).normal(0, 2, (8, 4)),
        y=np.array([0, 1, 2, 3, 3, 2, 1, 0]),
        d=np.array([0, 0, 0, 0, 1, 1, 1, 1]),
    )
