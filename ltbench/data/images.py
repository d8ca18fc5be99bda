"""Decoded images as batches on the device."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from ltbench.data.sampling import Rows, Sampler
from ltbench.data.store import ImageStore
from ltbench.plugins.facts import Facts

RESIDENT_BYTES = 4 << 30  # a data set up to this size lives whole on an accelerator


class DeviceImages:
    """The images of a data set, gathered by row into uint8 batches on ``device``.

    On the CPU the memory map itself is indexed, so all processes share one copy. On an accelerator
    a small data set is moved there once; a large one is gathered by a thread ahead of the step.
    """

    def __init__(self, store: ImageStore, device: torch.device) -> None:
        self.device = device
        self.images = torch.from_numpy(store.images)
        self.sizes = torch.from_numpy(store.sizes).to(device)
        self.y = torch.from_numpy(store.split.y).to(device)
        self.d = torch.from_numpy(store.split.d).to(device)
        self.resident = device.type == "cpu" or store.images.nbytes <= RESIDENT_BYTES
        if self.resident:
            self.images = self.images.to(device)

    def gather(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return the images (n, channels, S, S) uint8 and the rows, both on the device."""
        index = torch.from_numpy(np.ascontiguousarray(rows))
        if self.resident:
            index = index.to(self.device)
            return self.images[index], index
        pixels = self.images[index].pin_memory()
        return pixels.to(self.device, non_blocking=True), index.to(self.device)

    def stream(self, sampler: Sampler, first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of the steps ``first`` … ``last - 1``, the next one read meanwhile."""
        if self.resident:
            yield from (self.gather(sampler(step)) for step in range(first, last))
            return
        with ThreadPoolExecutor(1) as reader:
            ahead: Future[tuple[Tensor, Tensor]] | None = None
            for step in range(first, last):
                batch = ahead.result() if ahead else self.gather(sampler(step))
                if step + 1 < last:
                    ahead = reader.submit(self.gather, sampler(step + 1))
                yield batch


class Normalisation:
    """Turns uint8 images into the floats a network expects."""

    def __init__(self, facts: Facts, device: torch.device) -> None:
        self.mean = torch.tensor(facts.mean, device=device).view(1, -1, 1, 1)
        self.std = torch.tensor(facts.std, device=device).view(1, -1, 1, 1)

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise images (N, channels, H, W) scaled to 0…1."""
        return (images - self.mean) / self.std
