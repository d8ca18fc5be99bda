"""A network that a stage leaves as it is sees each training image once, where nothing augments it.

Stages that train a classifier on frozen features draw the same images again and again. What the
network says of them does not change, so it is asked once, by batches of evaluation, and the steps
look it up. It agrees with what the network says of a training batch to rounding.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from ltbench.data.augmentation import AugmentationChain
from ltbench.evaluation.batch_size import evaluation_batch
from ltbench.evaluation.network_once import Asked, hooks_on, standing_in
from ltbench.plugins.algorithm import Algorithm
from ltbench.training.context import RunContext


class FrozenNetwork:
    """What a network says of the training images.

    Args:
        model: whose network it is.
        asked: stands in the model for the network during a step.
        answers: of the network, (N, …).
        place: by row of the data set, where the answer to its image is.
        precision: in which it was asked.
    """

    def __init__(
        self, model: Algorithm, asked: Asked, answers: Tensor, place: Tensor, precision: object
    ) -> None:
        self.model, self.asked = model, asked
        self.answers, self.place, self.precision = answers, place, precision

    @contextlib.contextmanager
    def answering(self, x: Tensor, rows: Tensor) -> Iterator[None]:
        """Have the network's answers looked up in this block.

        Args:
            x: the batch.
            rows: of the data set, of its images.
        """
        self.asked.know(x, self.answers[self.place[rows]], self.precision)
        with standing_in(self.model, self.asked):
            yield


@torch.no_grad()
def frozen_network(
    model: Algorithm, augment: AugmentationChain, context: RunContext, drawn: int
) -> FrozenNetwork | None:
    """Return what a model's network says of the training images, where looking it up pays.

    Args:
        model: in training mode.
        augment: of its training.
        context: of the run.
        drawn: images that the stage draws.

    Returns:
        ``None`` where the network learns, adapts or is augmented for, where somebody looks into it
        (by hooks), where fewer images are drawn than there are, or where the answers are large.
    """
    network, rows = model.backbone, context.split.rows("train")
    learns = any(parameter.requires_grad for parameter in network.parameters())
    adapts = any(module.training for module in network.modules())
    changes = type(model).augment_by_class is not Algorithm.augment_by_class
    if learns or adapts or changes or augment.parts or hooks_on(network) or drawn < len(rows):
        return None
    batch = context.evaluator.batch = context.evaluator.batch or _batch(model)
    source, generator = context.images, torch.Generator(context.images.device)
    asked = Asked(network, {}, keep=True)
    first = 0
    with standing_in(model, asked):
        parts = (rows[at : at + batch] for at in range(0, len(rows), batch))
        for images, index in source.batches(parts):
            x, _ = augment(images, source.sizes[index], source.y[index], 1, generator)
            x = context.normalise(x)
            asked.batch(x, first)
            model.features(x)
            context.evaluator.after_batch()
            first += len(index)
            if not asked.keep or not asked.answers:
                return None
    answers = torch.cat([answer for answer, _ in asked.answers.values()])
    precisions = {precision for _, _, precision in asked.answers}
    if len(precisions) != 1 or len(answers) != len(rows):
        return None
    place = torch.full((len(context.split.y),), -1, dtype=torch.int64)
    place[torch.from_numpy(rows.astype("int64"))] = torch.arange(len(rows))
    return FrozenNetwork(model, asked, answers, place.to(source.device), precisions.pop())


def _batch(model: Algorithm) -> int:
    """Return how many images to ask about at once, and leave the model's modes as they were."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        return evaluation_batch(model)
    finally:
        for module, training in modes:  # one by one: some of them may be frozen
            module.training = training
