"""Runs a model over a part of the data set and returns its answers, from which metrics follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ltbench.data.device_images import DeviceImages
from ltbench.data.evaluation_transform import EvaluationTransform
from ltbench.data.normalisation import Normalisation
from ltbench.data.sampling import Rows
from ltbench.errors import DataError
from ltbench.evaluation.batch_size import evaluation_batch, is_out_of_memory
from ltbench.evaluation.network_once import Asked, NetworkOnce
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.facts import Facts
from ltbench.plugins.predictions import Predictions


@dataclass(frozen=True)
class Features:
    """Features (N, F) with classes (N,) and domains (N,), on the model's device."""

    features: Tensor
    y: Tensor
    d: Tensor


@dataclass(frozen=True)
class LogitAnswers:
    """Logits (N, C) with classes (N,) and domains (N,), on the model's device."""

    logits: Tensor
    y: Tensor
    d: Tensor


@dataclass(frozen=True)
class Answers:
    """All that one pass over images gives.

    Attributes:
        predictions: the answers, as metrics see them.
        features: of the images.
        logits: (N, C), on the model's device.
    """

    predictions: Predictions
    features: Features
    logits: Tensor


class Evaluator:
    """Looks at images without augmentation, with the model in evaluation mode.

    Args:
        images: the images of the data set.
        normalise: of the run, the one that its training batches pass through.
        transform: of the run; by default images are squeezed to the side of ``facts``.
        facts: of the data set.
        counts: training images per domain and class, (D, C).
        batch: images per forward pass; 0 leaves it to the first pass.
        after_batch: called after each of them.
        say: is told in a sentence where memory did not suffice for a batch.

    Attributes:
        batch: images per forward pass, 0 before the first. Where memory does not suffice it halves.
    """

    def __init__(
        self,
        images: DeviceImages,
        normalise: Normalisation,
        facts: Facts,
        counts: NDArray[np.int64],
        batch: int = 0,
        *,
        transform: EvaluationTransform | None = None,
        after_batch: Callable[[], None] = lambda: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.images = images
        self.normalise = normalise
        self.transform = transform or EvaluationTransform(facts.size)
        self.facts = facts
        self.counts = counts
        self.batch = batch
        self.after_batch = after_batch
        self.say = say
        self._once = NetworkOnce()

    @torch.no_grad()
    def features(self, model: Algorithm, rows: Rows) -> Features:
        """Return the features of the images at ``rows``."""
        (features,), index = self._apply(model, rows, lambda x: (model.features(x),), keep=True)
        return self._features(features, index)

    @torch.no_grad()
    def predictions(
        self, model: Algorithm, rows: Rows, *, probabilities: bool = True
    ) -> Predictions:
        """Return the model's answers on the images at ``rows``.

        The probabilities of all classes are many numbers, which not everybody wants.
        """
        keep = _is_frozen(model) or self._once.knows(rows)
        (logits,), index = self._apply(model, rows, lambda x: (model.predict(x),), keep=keep)
        return self._predictions(logits, index, probabilities=probabilities)

    @torch.no_grad()
    def logits(self, model: Algorithm, rows: Rows) -> Tensor:
        """Return the model's logits of the images at ``rows``, (N, C)."""
        (logits,), _ = self._apply(model, rows, lambda x: (model.predict(x),), keep=False)
        return logits

    @torch.no_grad()
    def logit_answers(self, model: Algorithm, rows: Rows) -> LogitAnswers:
        """Return the model's logits of the images at ``rows`` with their classes and domains."""
        (logits,), index = self._apply(model, rows, lambda x: (model.predict(x),), keep=False)
        return LogitAnswers(logits, self.images.y[index], self.images.d[index])

    def predictions_and_features(
        self, model: Algorithm, rows: Rows
    ) -> tuple[Predictions, Features]:
        """Return both; the network sees every image once."""
        found = self.answers(model, rows)
        return found.predictions, found.features

    @torch.no_grad()
    def answers(self, model: Algorithm, rows: Rows) -> Answers:
        """Return predictions, features and logits; the network sees every image once."""

        def both(x: Tensor) -> tuple[Tensor, Tensor]:
            return model.predict(x), model.features(x)

        (logits, features), index = self._apply(model, rows, both)
        return Answers(self._predictions(logits, index), self._features(features, index), logits)

    def _features(self, features: Tensor, index: Tensor) -> Features:
        return Features(features, self.images.y[index], self.images.d[index])

    def _predictions(
        self, logits: Tensor, index: Tensor, *, probabilities: bool = True
    ) -> Predictions:
        y, d = self.images.y[index], self.images.d[index]
        softmax = logits.softmax(1)
        confidence, prediction = softmax.max(1)
        return Predictions(
            y=y.cpu().numpy(),
            d=d.cpu().numpy(),
            prediction=prediction.cpu().numpy(),
            confidence=confidence.cpu().double().numpy(),
            nll=F.cross_entropy(logits, y, reduction="none").cpu().double().numpy(),
            counts=self.counts,
            probabilities=softmax.float().cpu().numpy() if probabilities else None,
            **self.facts.shots.as_dict(),
        )

    def _apply(
        self,
        model: Algorithm,
        rows: Rows,
        compute: Callable[[Tensor], tuple[Tensor, ...]],
        *,
        keep: bool = False,
    ) -> tuple[list[Tensor], Tensor]:
        """Return what ``compute`` makes of the images at ``rows``, and the rows on the device."""
        if not len(rows):
            raise DataError(
                f"'{self.facts.name}' has no such images to look at: give it validation images by "
                "a parameter, or leave out what needs them"
            )
        was_training = model.training
        model.eval()
        self.batch = self.batch or evaluation_batch(model)
        outputs: list[tuple[Tensor, ...]] = []
        indices: list[Tensor] = []
        short = False
        with self._once.asked(model, rows, keep=keep) as asked:
            while (done := sum(map(len, indices))) < len(rows):
                if short and self.images.device.type == "cuda":
                    torch.cuda.empty_cache()  # what is in pieces is of no use to others either
                try:
                    for output, index in self._batches(rows, done, compute, asked):
                        outputs.append(output)
                        indices.append(index)
                        self.after_batch()
                except (RuntimeError, MemoryError) as error:
                    if not is_out_of_memory(error) or self.batch == 1:
                        raise
                    self.batch, short = self.batch // 2, True
                    self.say(f"out of memory: evaluation goes on by {self.batch} images at a time")
        model.train(was_training)
        return [torch.cat(parts) for parts in zip(*outputs, strict=True)], torch.cat(indices)

    def _batches(
        self,
        rows: Rows,
        first: int,
        compute: Callable[[Tensor], tuple[Tensor, ...]],
        asked: Asked,
    ) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
        """Yield what is computed of the images from the first on, batch by batch."""
        parts = (rows[at : at + self.batch] for at in range(first, len(rows), self.batch))
        for images, index in self.images.batches(parts):
            x = self.normalise(self.transform(images, self.images.sizes[index]))
            asked.batch(x, first)
            yield compute(x), index
            first += len(index)


def _is_frozen(model: Algorithm) -> bool:
    return not any(parameter.requires_grad for parameter in model.backbone.parameters())
