"""Decoded images as batches on the device."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from ltbench.data.sampling import Rows, Sampler
from ltbench.data.store import ImageStore

RESIDENT_BYTES = 4 << 30  # a data set up to this size lives whole on the device
AHEAD = 2  # batches read while another is worked on


class DeviceImages:
    """The images of a data set, gathered by row into uint8 batches on ``device``.

    On the CPU the memory map itself is indexed, so all processes share one copy. On an accelerator
    a small data set is moved there once. A large one is gathered by a thread ahead of the step.
    """

    def __init__(self, store: ImageStore, device: torch.device) -> None:
        self.device = device
        with warnings.catch_warnings():  # nothing writes to the mapping; gathering copies
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            self.images = torch.from_numpy(store.images)
        self.sizes = torch.from_numpy(store.sizes).to(device)
        self.y = torch.from_numpy(store.split.y).to(device)
        self.d = torch.from_numpy(store.split.d).to(device)
        self.resident = store.images.nbytes <= RESIDENT_BYTES
        if self.resident:
            self.images = self.images.to(device)

    def gather(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return the images (n, channels, S, S) uint8 and the rows, both on the device."""
        index = torch.from_numpy(np.ascontiguousarray(rows))
        if self.resident:
            index = index.to(self.device)
            return self.images[index], index
        pixels = self.images[index]
        if self.device.type == "cuda":
            pixels = pixels.pin_memory()
        return pixels.to(self.device, non_blocking=True), index.to(self.device)

    def stream(self, sampler: Sampler, first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of the steps ``first`` … ``last - 1``; see :meth:`batches`."""
        return self.batches(sampler(step) for step in range(first, last))

    def batches(self, parts: Iterable[Rows]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the images and rows of every part.

        Where the images are neither on the device nor small, a thread reads the next parts while
        the present one is worked on.
        """
        if self.resident:
            yield from map(self.gather, parts)
            return
        with ThreadPoolExecutor(1) as reader:
            ahead: deque[Future[tuple[Tensor, Tensor]]] = deque()
            for rows in parts:
                ahead.append(reader.submit(self.gather, rows))
                if len(ahead) > AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
