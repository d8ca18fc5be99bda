"""What an algorithm learns on the test images, without their labels, before its test."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltbench.data.augmentation import AugmentationChain
from ltbench.errors import PluginError
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.unlabelled import Unlabelled
from ltbench.plugins.views import chains_before_test
from ltbench.training.context import RunContext
from ltbench.training.seeding import derive_seed, seed_torch

PURPOSE = "before test"


class TestImages(Unlabelled):
    """The test images of a run, seeded from the run's seed.

    Nothing is kept between two tests, so that one which is broken off and begun again draws the
    same.

    Args:
        context: of the run.
        chains: augmentations of each view.

    Attributes:
        passes: over the images so far.
    """

    __test__ = False  # for pytest

    def __init__(self, context: RunContext, chains: Sequence[str]) -> None:
        channels, side = context.facts.channels, context.facts.size
        interpolation, _ = context.spec.backbone.resizing(context.spec.protocol)
        self._context, self._rows = context, context.split.rows("test")
        self._chains = [
            AugmentationChain(chain, (channels, side, side), interpolation) for chain in chains
        ]
        self._generator = torch.Generator(context.images.device)
        self.passes = 0

    def __len__(self) -> int:
        return len(self._rows)

    def views(self, batch: int) -> Iterator[tuple[Tensor, ...]]:
        """Yield every image once under each augmentation; see :class:`ltbench.api.Unlabelled`."""
        number, source = self.passes, self._context.images
        self.passes += 1
        order = np.random.default_rng(self._seed("order", number)).permutation(len(self._rows))
        rows = self._rows[order]
        parts = (rows[at : at + batch] for at in range(0, len(rows), batch))
        for part, (images, index) in enumerate(source.batches(parts)):
            yield tuple(
                self._view(view, images, source.sizes[index], self._seed(view, number, part))
                for view in range(len(self._chains))
            )
            self._context.evaluator.after_batch()

    def _view(self, view: int, images: Tensor, sizes: Tensor, seed: int) -> Tensor:
        """Return one view of a part of the images, normalised."""
        chain = self._chains[view]
        if chain.parts:
            classes = torch.zeros(len(images), dtype=torch.int64, device=images.device)
            x, _ = chain(images, sizes, classes, 1, self._generator.manual_seed(seed))
        else:
            x = self._context.evaluator.transform(images, sizes)
        return self._context.normalise(x)

    def _seed(self, *purpose: str | int) -> int:
        return derive_seed(self._context.spec.seed, PURPOSE, *purpose)


def learnt_before_test(model: Algorithm, context: RunContext) -> dict[str, Any]:
    """Let the chosen model learn on the test images, where it wants to.

    Args:
        model: the chosen model, which may be another afterwards.
        context: of the run.

    Returns:
        What ``result.json`` says of it under ``before_test``; empty where it sees no image.

    Raises:
        PluginError: it returns something that the file cannot hold.
    """
    protocol = context.spec.protocol.augmentation
    chains = chains_before_test(type(model), model.hparams, protocol)
    if not chains:
        return {}
    images = TestImages(context, chains)
    seed_torch(context.spec.seed, PURPOSE)
    device = context.images.device
    seed = derive_seed(context.spec.seed, PURPOSE, "algorithm")
    model.generator = torch.Generator(device).manual_seed(seed)
    was_training = model.training
    model.eval()
    found = model.before_test(images)
    model.train(was_training)
    return {
        "augmentations": list(chains),
        "images": len(images),
        "passes": images.passes,
        "learnt": _plain(found, type(model).__name__),
    }


def _plain(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what was learnt as JSON has it."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(found), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"'{name}.before_test' must return numbers, texts and lists of them by name: {error}"
        ) from error
    return plain
