"""What an algorithm or stage does that learns on the test images, without their labels."""

from __future__ import annotations

import json
from collections.abc import Iterator

import torch
from torch import Tensor

from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.unlabelled import Unlabelled
from ltbench.testing.point import NotApplicable, Points, Subject
from ltbench.testing.points.algorithm import KINDS, build_small
from ltbench.testing.small_model import random_batch_for, take_steps

POINTS = Points()
IMAGES = 10


class SmallUnlabelled(Unlabelled):
    """Random images for test images, each view a random draw.

    Args:
        model: whose images they are.
        views: how many there are of each image.
        seed: of the draws.
    """

    def __init__(self, model: Algorithm, views: int, seed: int) -> None:
        self.shape, self.number = model.train_info.image_shape, views
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return IMAGES

    def views(self, batch: int) -> Iterator[tuple[Tensor, ...]]:
        """Yield all images, with the network's statistics of a batch out of the question."""
        for first in range(0, IMAGES, batch):
            size = (min(batch, IMAGES - first), *self.shape)
            yield tuple(torch.randn(size, generator=self.generator) for _ in range(self.number))


@POINTS.add("before-test", "What it learns on the test images is that of its seed", *KINDS)
def check_before_test(subject: Subject) -> None:
    """Let it learn twice with one seed, and compare its answers."""
    name, answers, learnt = subject.text, [], []
    for _ in range(2):
        model = build_small(name)
        views = model.test_augmentations(model.hparams)
        if not views:
            raise NotApplicable("it sees no test image before its test")
        take_steps(model, [random_batch_for(model)])
        torch.manual_seed(0)
        model.generator.manual_seed(0)
        found = model.eval().before_test(SmallUnlabelled(model, len(views), 0))
        learnt.append(json.dumps(dict(found), allow_nan=False))
        with torch.no_grad():
            answers.append(model.predict(random_batch_for(model, seed=7).x))
    assert bool(answers[0].isfinite().all()), f"{name}: some logits are not finite afterwards"
    assert learnt[0] == learnt[1] and answers[0].equal(answers[1]), (  # noqa: PT018
        f"{name} learns something else on the same test images with the same seed: draw from "
        "self.generator, or from torch"
    )
