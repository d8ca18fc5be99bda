"""Runs a model over a part of the data set and computes every registered metric."""

from __future__ import annotations

from collections.abc import Callable
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
from ltbench.errors import DataError, PluginError
from ltbench.evaluation.metrics import Metrics
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.blame import naming
from ltbench.plugins.facts import Facts
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.predictions import Predictions


@dataclass(frozen=True)
class Features:
    """Features (N, F) with classes (N,) and domains (N,), on the model's device."""

    features: Tensor
    y: Tensor
    d: Tensor


class Evaluator:
    """Looks at images without augmentation, with the model in evaluation mode.

    Args:
        images: the images of the data set.
        normalise: of the run, the one that its training batches pass through.
        transform: of the run; by default images are squeezed to the side of ``facts``.
        facts: of the data set.
        counts: training images per domain and class, (D, C).
        batch: images per forward pass.
        after_batch: called after each of them.
    """

    def __init__(
        self,
        images: DeviceImages,
        normalise: Normalisation,
        facts: Facts,
        counts: NDArray[np.int64],
        batch: int,
        *,
        transform: EvaluationTransform | None = None,
        after_batch: Callable[[], None] = lambda: None,
    ) -> None:
        self.images = images
        self.normalise = normalise
        self.transform = transform or EvaluationTransform(facts.size)
        self.facts = facts
        self.counts = counts
        self.batch = batch
        self.after_batch = after_batch

    @torch.no_grad()
    def features(self, model: Algorithm, rows: Rows) -> Features:
        """Return the features of the images at ``rows``."""
        parts, index = self._apply(model, rows, model.features)
        return Features(parts, self.images.y[index], self.images.d[index])

    @torch.no_grad()
    def predictions(self, model: Algorithm, rows: Rows) -> Predictions:
        """Return the model's answers on the images at ``rows``."""
        logits, index = self._apply(model, rows, model.predict)
        y, d = self.images.y[index], self.images.d[index]
        confidence, prediction = logits.softmax(1).max(1)
        return Predictions(
            y=y.cpu().numpy(),
            d=d.cpu().numpy(),
            prediction=prediction.cpu().numpy(),
            confidence=confidence.cpu().double().numpy(),
            nll=F.cross_entropy(logits, y, reduction="none").cpu().double().numpy(),
            counts=self.counts,
            **self.facts.shots.as_dict(),
        )

    def _apply(
        self, model: Algorithm, rows: Rows, compute: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return what ``compute`` makes of the images at ``rows``, and the rows on the device."""
        if not len(rows):
            raise DataError(
                f"'{self.facts.name}' has no such images to look at: give it validation images by "
                "a parameter, or leave out what needs them"
            )
        was_training = model.training
        model.eval()
        outputs, indices = [], []
        parts = (rows[start : start + self.batch] for start in range(0, len(rows), self.batch))
        for images, index in self.images.batches(parts):
            x = self.transform(images, self.images.sizes[index])
            outputs.append(compute(self.normalise(x)))
            indices.append(index)
            self.after_batch()
        model.train(was_training)
        return torch.cat(outputs), torch.cat(indices)


def compute_metrics(predictions: Predictions) -> Metrics:
    """Return every registered metric of the predictions under flat names.

    Raises:
        PluginError: a metric fails, or two give the same name.
    """
    values: Metrics = {}
    for entry in get_plugins()["metrics"]:
        with naming(f"metric '{entry.name}' of {entry.distribution}"):
            found = entry.load()(predictions)
        if twice := values.keys() & found.keys():
            raise PluginError(
                f"metric '{entry.name}' of {entry.distribution} gives '{min(twice)}', which "
                "another metric gives already"
            )
        values.update(found)
    return values


def compute_domain_metrics(
    predictions: Predictions, domains: tuple[str, ...]
) -> dict[str, Metrics]:
    """Return every metric on each domain alone, by domain name."""
    return {domains[d]: compute_metrics(part) for d, part in predictions.by_domain().items()}
