"""Decoded images as batches on the device."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from ltbench.data.sampling import Rows, Sampler
from ltbench.data.store_files import DamagedStore, ImageStore
from ltbench.errors import DataError

RESIDENT_BYTES = 4 << 30  # a data set up to this size lives whole on the device
AHEAD = 2  # batches read while another is worked on


class DeviceImages:
    """The images of a data set, gathered by row into uint8 batches on ``device``.

    On the CPU the memory map itself is indexed, so all processes share one copy. On an accelerator
    a small data set is moved there once. A large one is gathered by a thread ahead of the step.

    Args:
        store: the decoded images. Each is compared with its checksum before it is first used.
        device: where batches go.
        repair: returns the store again for rows of it that are damaged.
    """

    store: ImageStore
    images: Tensor

    def __init__(
        self,
        store: ImageStore,
        device: torch.device,
        repair: Callable[[Rows], ImageStore] | None = None,
    ) -> None:
        self.device, self.repair = device, repair
        self.resident = store.images.nbytes <= RESIDENT_BYTES
        self._use(store)
        if self.resident and device.type != "cpu":
            self._check(np.arange(len(store.images)))
            self.images = self.images.to(device)
        self.sizes = torch.from_numpy(self.store.sizes).to(device)
        self.y = torch.from_numpy(self.store.split.y).to(device)
        self.d = torch.from_numpy(self.store.split.d).to(device)

    def gather(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return the images (n, channels, S, S) uint8 and the rows, both on the device.

        Raises:
            DataError: an image is damaged on the disk, and cannot be decoded anew.
        """
        self._check(rows)
        index = torch.from_numpy(np.ascontiguousarray(rows))
        if self.resident:
            index = index.to(self.device)
            return self.images[index], index
        pixels = self.images[index]
        if self.device.type == "cuda":
            pixels = pixels.pin_memory()
        return pixels.to(self.device, non_blocking=True), index.to(self.device)

    def _use(self, store: ImageStore) -> None:
        self.store = store
        with warnings.catch_warnings():  # nothing writes to the mapping; gathering copies
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            self.images = torch.from_numpy(store.images)

    def _check(self, rows: Rows) -> None:
        """Compare images with their checksums, and use another store where they differ."""
        try:
            self.store.check(rows)
        except DamagedStore as damage:
            if self.repair is None:
                raise DataError(f"{damage}: 'ltbench data cache clear NAME' removes it") from damage
            self._use(self.repair(rows))

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
