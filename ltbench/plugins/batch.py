"""Batches of images, and the facts about the training set that an algorithm may use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ltbench.plugins.head import Head
from ltbench.plugins.shots import ShotRule


@dataclass(frozen=True)
class MixedLabels:
    """The second classes of images that an augmentation mixed of two (mixup, CutMix).

    Attributes:
        y: classes of what was mixed into the images, (N,), int64.
        share: of the images themselves in the mixture, a scalar in 0…1.
    """

    y: Tensor
    share: Tensor


@dataclass(frozen=True)
class Batch:
    """Images with their classes and domains; every domain has the same number of images.

    Attributes:
        x: images, (N, channels, H, W), normalised float.
        y: class indices, (N,), int64.
        d: domain indices, (N,), int64, ascending: images of one domain stand together.
        num_domains: how many domains are in the batch; counted where it is not given.
        mixed: second classes, where the protocol's augmentation mixes images of one domain.
    """

    x: Tensor
    y: Tensor
    d: Tensor
    num_domains: int = 0
    mixed: MixedLabels | None = None

    def __post_init__(self) -> None:
        if not self.num_domains:
            object.__setattr__(self, "num_domains", len(torch.unique_consecutive(self.d)))

    def __len__(self) -> int:
        return len(self.y)

    def per_domain(self, values: Tensor) -> Tensor:
        """Return values (N, …) of the images as (domains in the batch, images per domain, …)."""
        return values.view(self.num_domains, -1, *values.shape[1:])

    def by_domain(self) -> Iterator[Batch]:
        """Yield the images of each domain in the batch."""
        parts = zip(*(self.per_domain(t) for t in (self.x, self.y, self.d)), strict=True)
        for number, (x, y, d) in enumerate(parts):
            mixed = self.mixed
            if mixed is not None:
                mixed = MixedLabels(self.per_domain(mixed.y)[number], mixed.share)
            yield Batch(x, y, d, num_domains=1, mixed=mixed)


@dataclass(frozen=True)
class TrainInfo:
    """What an algorithm may know about the training set.

    Attributes:
        counts: training images per domain and class, (D, C), int64.
        domains: domain names, D of them.
        classes: class names, C of them.
        many: pairs with more training images are many-shot.
        few: pairs with at most this many (but some) training images are few-shot.
        steps: optimisation steps of the stage.
        batch_per_domain: images per domain in a batch.
        image_shape: channels, height and width of an image.
        label_smoothing: share of a label that all classes get alike, in 0…1.
        dropout: share of the features that is dropped in training, in 0…1.
        accumulate: batches that make one optimisation step.
        many_inclusive: whether pairs with exactly ``many`` are many-shot too.
        few_inclusive: whether pairs with exactly ``few`` are few-shot; see :attr:`shots`.
        head: which classifier the backbone's options ask for.
    """

    counts: Tensor
    domains: tuple[str, ...]
    classes: tuple[str, ...]
    many: int
    few: int
    steps: int
    batch_per_domain: int
    image_shape: tuple[int, int, int]
    label_smoothing: float = 0.0
    dropout: float = 0.0
    accumulate: int = 1
    many_inclusive: bool = False
    few_inclusive: bool = True
    head: Head = field(default_factory=Head)

    @property
    def shots(self) -> ShotRule:
        """The rule by which pairs are many-, medium-, few- and zero-shot."""
        return ShotRule(self.many, self.few, self.many_inclusive, self.few_inclusive)

    @property
    def num_domains(self) -> int:
        """Number of domains D."""
        return len(self.domains)

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return len(self.classes)

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which as many images are drawn as the training set holds, at least 1."""
        batch = self.batch_per_domain * self.num_domains * self.accumulate
        return max(1, -(-int(self.counts.sum()) // batch))
