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
        views: the images as each view of an algorithm shows them, (N, channels, H, W) each
            (:attr:`ltbench.api.Algorithm.views`). The first is always ``x``, also of a batch that
            is made of another with ``dataclasses.replace(batch, x=…)``.
        second: a batch of the algorithm's second sampler, with its own classes and domains, of as
            many images of each domain and as many views.
    """

    x: Tensor
    y: Tensor
    d: Tensor
    num_domains: int = 0
    mixed: MixedLabels | None = None
    views: tuple[Tensor, ...] = ()
    second: Batch | None = None

    def __post_init__(self) -> None:
        if not self.num_domains:
            object.__setattr__(self, "num_domains", len(torch.unique_consecutive(self.d)))
        if not self.views or self.views[0] is not self.x:
            object.__setattr__(self, "views", (self.x, *self.views[1:]))

    def __len__(self) -> int:
        return len(self.y)

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on a device, with its views and its second batch."""
        mixed = self.mixed
        if mixed is not None:
            mixed = MixedLabels(mixed.y.to(device), mixed.share.to(device))
        views = tuple(view.to(device) for view in self.views)
        second = None if self.second is None else self.second.to(device)
        y, d = self.y.to(device), self.d.to(device)
        return Batch(views[0], y, d, self.num_domains, mixed, views, second)

    def per_domain(self, values: Tensor) -> Tensor:
        """Return values (N, …) of the images as (domains in the batch, images per domain, …)."""
        return values.view(self.num_domains, -1, *values.shape[1:])

    def by_domain(self) -> Iterator[Batch]:
        """Yield the images of each domain in the batch, with those of the second batch."""
        parts = zip(*(self.per_domain(t) for t in (self.y, self.d, *self.views)), strict=True)
        seconds = None if self.second is None else list(self.second.by_domain())
        for number, (y, d, *views) in enumerate(parts):
            mixed = self.mixed
            if mixed is not None:
                mixed = MixedLabels(self.per_domain(mixed.y)[number], mixed.share)
            second = None if seconds is None else seconds[number]
            yield Batch(views[0], y, d, 1, mixed, tuple(views), second)


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
        freeze_bn: whether the backbone's batch normalisations keep the statistics they came with.
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
    freeze_bn: bool = False

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
        domains = max(1, int((self.counts.sum(1) > 0).sum()))  # a step has none of the others
        batch = self.batch_per_domain * domains * self.accumulate
        return max(1, -(-int(self.counts.sum()) // batch))
