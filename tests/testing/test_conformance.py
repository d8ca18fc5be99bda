"""Every registered algorithm and stage, third parties' included, passes the conformance kit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ltbench.api import Algorithm, Batch
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.registry import Entry
from ltbench.testing import check_conformance

FAILS_ON_PURPOSE = {"misbehave"}  # of the third party that the other tests install
KINDS = ("algorithms", "stages")
NAMES = sorted({n for kinds in KINDS for n in get_plugins()[kinds].names()} - FAILS_ON_PURPOSE)


@pytest.mark.parametrize("name", NAMES)
def test_conforms(name: str, tmp_path: Path) -> None:
    check_conformance(name, tmp_path)


@pytest.fixture(autouse=True)
def _fresh_registries() -> Iterator[None]:
    yield
    get_plugins.cache_clear()


class ForgetsItsSteps(Algorithm):
    """Counts steps in an attribute that no checkpoint holds."""

    done = 0

    def loss(self, batch: Batch) -> Tensor:
        self.done += 1
        return super().loss(batch) * self.done


class DrawsUnseeded(Algorithm):
    """Takes randomness from a generator of its own."""

    own = np.random.default_rng()

    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) * float(self.own.uniform(0.5, 2))


class NeedsEveryClass(Algorithm):
    """Takes the logarithm of how often each class is in the batch."""

    def loss(self, batch: Batch) -> Tensor:
        inside = torch.bincount(batch.y, minlength=self.train_info.num_classes)
        return super().loss(batch) * inside.log().sum()


class LooksAtNeighbours(Algorithm):
    """Centres the logits over the images asked about together."""

    def predict(self, x: Tensor) -> Tensor:
        logits = super().predict(x)
        return logits - logits.mean(0)


class StandsStill(Algorithm):
    """Computes losses and changes nothing."""

    def minimize(self, loss: Tensor, optimizer: str = "main") -> None:
        pass


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (ForgetsItsSteps, "broken off twice and resumed, differs"),
        (DrawsUnseeded, "broken off twice and resumed, differs"),
        (NeedsEveryClass, "on a batch of a single class: the loss 'total' is"),
        (LooksAtNeighbours, "depends on the others in its batch"),
        (StandsStill, "no parameter moves"),
    ],
)
def test_finds_what_is_broken(broken: type[Algorithm], says: str, tmp_path: Path) -> None:
    name = broken.__name__.lower()
    get_plugins()["algorithms"].add(Entry("algorithm", name, broken, "Broken", "ltbench", ""))
    with pytest.raises(AssertionError, match=says):
        check_conformance(name, tmp_path)
