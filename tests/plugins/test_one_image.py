"""What becomes of methods where a batch has one image of each domain."""

from __future__ import annotations

import pytest
import torch

from ltbench.data.augmentation import AugmentationChain
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.manager import get_plugins
from ltbench.testing import build_algorithm, random_batch_for, train_info
from ltbench.testing.small_model import take_steps

COUNTS = [[12, 6, 3, 1, 0], [1, 3, 0, 8, 5], [9, 0, 2, 4, 1]]
ANNEALED = ("fishr[anneal=0]", "irm[anneal=0]", "vrex[anneal=0]")
"""Which begin with what they are about."""


def losses(name: str, images: int) -> list[float]:
    """Return the losses of three steps."""
    model = build_algorithm(name, train_info(COUNTS, batch_per_domain=images))
    batches = [random_batch_for(model, seed=seed) for seed in range(3)]
    return [found["total"] for found in take_steps(model, batches)]


def is_erm(name: str, images: int) -> bool:
    return losses(name, images) == pytest.approx(losses("erm", images), abs=1e-6)


def test_methods_that_are_erm_then_and_not_else_say_so():
    plugins = get_plugins()["algorithms"]
    names = [one.name for one in plugins if trains(one.load())]
    assert len(names) > 40
    became = {n for n in (*names, *ANNEALED) if is_erm(n, 1) and not is_erm(n, 6)}
    assert {"input-mixup", "fishr[anneal=0]", "reweight", "cbloss"} <= became
    for name in became:
        assert plugins.get(name.partition("[")[0]).load().min_per_domain > 1, name


def trains(cls: type[Algorithm]) -> bool:
    return cls.steps(1, cls.HParams()) > 0 and not cls.needs_texts


@pytest.mark.parametrize("mixing", ["mixup", "cutmix"])
def test_an_image_is_mixed_with_itself_then(mixing):
    chain = AugmentationChain(mixing, (3, 8, 8))
    pixels = torch.randint(256, (3, 3, 8, 8), dtype=torch.uint8)
    y, sizes = torch.arange(3), torch.full((3, 2), 8)
    x, mixed = chain(pixels, sizes, y, 3, torch.Generator().manual_seed(0))
    torch.testing.assert_close(x, pixels / 255)
    assert mixed is not None
    assert mixed.y.equal(y)
