"""The batches that the steps of one stage see: drawn, augmented view by view, and normalised."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ltbench.data.augmentation import AugmentationChain
from ltbench.data.sampling import Sampler, joined, make_sampler
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.batch import Batch
from ltbench.plugins.training import Change
from ltbench.plugins.views import view_chains
from ltbench.results.protocol import Protocol
from ltbench.training.context import RunContext
from ltbench.training.seeding import derive_seed

_FIRST = "augmentation"
"""The purpose of what is drawn for the first view."""


@dataclass(frozen=True)
class Drawn:
    """Stored images on the device: those of a batch and, where there is one, of its second.

    Attributes:
        images: of each, uint8, (N, C, S, S).
        rows: of each, of the data set, (N,).
    """

    images: Sequence[Tensor]
    rows: Sequence[Tensor]


def view_augmentations(
    model: Algorithm, context: RunContext, protocol: Protocol
) -> list[AugmentationChain]:
    """Return what augments each view of a model's training images.

    Args:
        model: an algorithm or stage.
        context: of the run.
        protocol: of the stage.
    """
    channels, side = context.facts.channels, context.facts.size
    interpolation, _ = context.spec.backbone.resizing(protocol)
    return [
        AugmentationChain(chain, (channels, side, side), interpolation)
        for chain in view_chains(type(model), model.hparams, protocol.augmentation)
    ]


class TrainingBatches:
    """Draws the batches of a stage and augments them.

    Which images stand in a batch, and what is drawn for each of its views, are functions of the
    run's seed, the stage and the batch's number. At one seed the first view is the same for every
    algorithm that samples alike.

    Args:
        model: whose batches they are.
        context: of the run.
        protocol: of the stage.
        purpose: of the stage, of all that is drawn for it.
        batches: of the whole stage, by which augmentations tell how far it is.
    """

    def __init__(
        self,
        model: Algorithm,
        context: RunContext,
        protocol: Protocol,
        purpose: str,
        batches: int = 0,
    ) -> None:
        self.whole = batches
        self.context, self.model, self.per_domain = context, model, protocol.batch_per_domain
        self.samplings = [s for s in (model.sampling, model.second_sampling) if s]
        self.seed, self.purpose = context.spec.seed, purpose
        self.views = view_augmentations(model, context, protocol)
        rows = context.split.rows("train")
        self.domains = len(np.unique(context.split.d[rows]))
        views = [_FIRST, *(f"view {n}" for n in range(2, len(self.views) + 1))]
        # Seeded anew for every batch, and made once: a graph of a step could hold them.
        self.generators = [
            {f"{which}{view}": torch.Generator(context.images.device) for view in views}
            for which in ("", "second ")[: len(self.samplings)]
        ]

    def stream(self, first: int, last: int) -> Iterator[Drawn]:
        """Yield the stored images of the batches ``first`` … ``last - 1``.

        Those of a second batch are read together with those of the first, ahead of the step.

        Raises:
            PluginError: the algorithm asks for a sampling that there is not.
        """
        samplers = [
            self._sampler(sampling, derive_seed(self.seed, self.purpose, name))
            for sampling, name in zip(self.samplings, ("batches", "second batches"), strict=False)
        ]
        for images, rows in self.context.images.stream(joined(samplers), first, last):
            yield Drawn(images.chunk(len(samplers)), rows.chunk(len(samplers)))

    def batch(self, drawn: Drawn, number: int) -> Batch:
        """Return what a step sees of stored images.

        Args:
            drawn: the images.
            number: of the batch in its stage, the seed of all that is drawn for it.
        """
        self._at(number)
        found = []
        for images, rows, generators in zip(drawn.images, drawn.rows, self.generators, strict=True):
            for purpose, generator in generators.items():
                generator.manual_seed(derive_seed(self.seed, self.purpose, purpose, number))
            found.append(self._augmented(images, rows, list(generators.values())))
        return found[0] if len(found) == 1 else replace(found[0], second=found[1])

    def first_views(self, images: int, number: int) -> Iterator[Tensor]:
        """Yield the first view of training batches that are drawn for something else than steps.

        Args:
            images: at least so many, in whole batches.
            number: of the batch in the stage as which they are augmented.
        """
        self._at(number)
        seed = derive_seed(self.seed, self.purpose, "statistics")
        sampler = self._sampler(self.samplings[0], seed)
        count = math.ceil(images / (self.per_domain * self.domains))
        generator = torch.Generator(self.context.images.device)
        for own, (stored, rows) in enumerate(self.context.images.stream(sampler, 0, count)):
            generator.manual_seed(derive_seed(seed, own))
            yield self._augmented(stored, rows, [generator]).x

    def changed(
        self, places: Tensor, change: Change, generator: torch.Generator, number: int
    ) -> Iterator[Tensor]:
        """Yield first views of training images, changed further, as many at a time as in a step.

        Args:
            places: of the images among those for training, (n,).
            change: is given some of the views, and where they stand among ``places``.
            generator: draws what is random.
            number: of the batch in the stage as which they are augmented.
        """
        self._at(number)
        source, at_once = self.context.images, self.per_domain * self.domains
        asked = self.context.split.rows("train")[places.cpu().numpy()]
        parts = (asked[at : at + at_once] for at in range(0, len(asked), at_once))
        first = 0
        for images, rows in source.batches(parts):
            x, _ = self.views[0](images, source.sizes[rows], source.y[rows], 1, generator)
            x = change(x, torch.arange(first, first + len(rows), device=source.device))
            yield self.context.normalise(x)
            first += len(rows)

    def _at(self, number: int) -> None:
        """Tell augmentations how far the stage is at a batch, whichever they were given before."""
        for chain in self.views:
            chain.at(number / self.whole if self.whole else 0.0)

    def _sampler(self, sampling: str, seed: int) -> Sampler:
        return make_sampler(sampling, self.context.split, self.per_domain, seed)

    def _augmented(self, images: Tensor, rows: Tensor, generators: list[torch.Generator]) -> Batch:
        """Return a batch with as many views as there are generators."""
        source = self.context.images
        sizes, y, d = source.sizes[rows], source.y[rows], source.d[rows]
        views, mixed = [], None
        for number, (augment, generator) in enumerate(zip(self.views, generators, strict=False)):
            x, of_view = augment(images, sizes, y, self.domains, generator)
            if number == 0:
                x, mixed = self.model.augment_by_class(x, y, d, generator), of_view
            views.append(self.context.normalise(x))
        return Batch(views[0], y, d, self.domains, mixed, tuple(views))
