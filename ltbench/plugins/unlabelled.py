"""The test images without their labels, for algorithms that learn on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor


class Unlabelled(Protocol):
    """All test images of a run, without classes and domains.

    What an algorithm may look at in :meth:`ltbench.api.Algorithm.before_test`. What is drawn
    depends on the run's seed alone.
    """

    def __len__(self) -> int:
        """Return how many images there are."""

    def views(self, batch: int) -> Iterator[tuple[Tensor, ...]]:
        """Yield every image once, in an order drawn anew for each call.

        Args:
            batch: images in each part; the last may have fewer.

        Yields:
            The images of the part under each of
            :meth:`ltbench.api.Algorithm.test_augmentations`, (n, channels, H, W) each, normalised,
            on the model's device.
        """
