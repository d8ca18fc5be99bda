"""Decoded images as batches on the device."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from ltbench.data.sampling import Rows, Sampler
from ltbench.data.store_files import DamagedStore, ImageStore
from ltbench.errors import DataError

_Copy: TypeAlias = "tuple[Tensor, torch.cuda.Event | None]"

RESIDENT_BYTES = 4 << 30
"""Images of more bytes are read ahead of the step, where they stay in the host's memory."""

RESIDENT_SHARE = 4
"""The images of a run take this part of its share of a card's memory at most: a quarter."""

AHEAD = 2  # batches read while another is worked on
ROWS_AHEAD = 1 << 16  # rows that one transfer tells an accelerator, half a megabyte


class DeviceImages:
    """The images of a data set, gathered by row into uint8 batches on ``device``.

    On the CPU the memory map itself is indexed, so all processes share one copy. On an accelerator
    a small data set is moved there once. A large one is gathered by a thread ahead of the step, and
    copied to a GPU on a stream of its own, from pinned memory that torch keeps for the next copy.
    The host never waits for a GPU here.

    Args:
        store: the decoded images. Each is compared with its checksum before it is first used.
        device: where batches go.
        repair: returns the store again for rows of it that are damaged.
        sharing: runs that share the device.
    """

    store: ImageStore
    images: Tensor

    def __init__(
        self,
        store: ImageStore,
        device: torch.device,
        repair: Callable[[Rows], ImageStore] | None = None,
        sharing: int = 1,
    ) -> None:
        self.device, self.repair = device, repair
        self.resident = store.images.nbytes <= resident_limit(device, sharing)
        self._use(store)
        if self.resident and device.type != "cpu":
            self._check(np.arange(len(store.images)))
            self.images = self.images.to(device)
        self.copies: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self.copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.sizes = torch.from_numpy(self.store.sizes).to(device)
        self.y = torch.from_numpy(self.store.split.y).to(device)
        self.d = torch.from_numpy(self.store.split.d).to(device)

    def gather(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return the images (n, channels, S, S) uint8 and the rows, both on the device.

        Raises:
            DataError: an image is damaged on the disk, and cannot be decoded anew.
        """
        index = self._sent(torch.from_numpy(np.ascontiguousarray(rows)))
        return self._pixels(rows, index), index

    def stream(self, sampler: Sampler, first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of the steps ``first`` … ``last - 1``; see :meth:`batches`."""
        return self.batches(sampler(step) for step in range(first, last))

    def batches(self, parts: Iterable[Rows]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the images and rows of every part.

        Where the images are neither on the device nor small, a thread reads the next parts while
        the present one is worked on.
        """
        if self.resident:
            for rows, index in self._indexed(parts):
                yield self._pixels(rows, index), index
            return
        with ThreadPoolExecutor(1) as reader:
            ahead: deque[tuple[Future[_Copy], Tensor]] = deque()
            for rows, index in self._indexed(parts):
                ahead.append((reader.submit(self._read, rows, index), index))
                if len(ahead) > AHEAD:
                    yield self._arrived(*ahead.popleft())
            while ahead:
                yield self._arrived(*ahead.popleft())

    def _indexed(self, parts: Iterable[Rows]) -> Iterator[tuple[Rows, Tensor]]:
        """Yield every part's rows, and the same on the device.

        An accelerator is told those of many parts at once, for a small copy takes as long.
        """
        most = 1 if self.device.type == "cpu" else ROWS_AHEAD
        several: list[Rows] = []
        for rows in parts:
            several.append(rows)
            if len(several) * len(rows) >= most:
                yield from self._told(several)
                several = []
        if several:
            yield from self._told(several)

    def _told(self, several: list[Rows]) -> Iterator[tuple[Rows, Tensor]]:
        index = self._sent(torch.from_numpy(np.concatenate(several)))
        apart = index.split([len(rows) for rows in several])  # type: ignore[no-untyped-call]
        yield from zip(several, apart, strict=True)

    def _pixels(self, rows: Rows, index: Tensor) -> Tensor:
        """Return the images at ``rows``, of which ``index`` tells the device."""
        if self.resident and self.device.type != "cpu":
            return self.images[index]
        self._check(rows)
        if self.device.type == "cpu":
            return self.images[index]
        host = torch.from_numpy(np.ascontiguousarray(rows))
        shape = (len(rows), *self.images.shape[1:])
        pixels = torch.empty(shape, dtype=torch.uint8, pin_memory=self.copies is not None)
        torch.index_select(self.images, 0, host, out=pixels)
        return pixels.to(self.device, non_blocking=True)

    def _read(self, rows: Rows, index: Tensor) -> _Copy:
        """Do the same in the thread that reads ahead."""
        if self.copies is None:
            return self._pixels(rows, index), None
        with torch.cuda.stream(self.copies):
            return self._pixels(rows, index), self.copies.record_event()

    def _arrived(self, reading: Future[_Copy], index: Tensor) -> tuple[Tensor, Tensor]:
        """Return what was read, for the stream of the step to use once it is there."""
        pixels, copied = reading.result()
        if copied is not None:
            step = torch.cuda.current_stream(self.device)
            step.wait_event(copied)
            pixels.record_stream(step)
        return pixels, index

    def _sent(self, index: Tensor) -> Tensor:
        """Return rows on the device."""
        if self.copies is None:
            return index.to(self.device)
        return index.pin_memory().to(self.device, non_blocking=True)

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


def resident_limit(device: torch.device, sharing: int = 1) -> int:
    """Return the most bytes of images that are kept on a device, or take no thread to read.

    On an accelerator a quarter of its memory, or of the share of it that a run has, and never more
    than half of what is free.

    Args:
        device: the device.
        sharing: runs that share it.
    """
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
    elif device.type == "mps":
        free = total = torch.mps.recommended_max_memory()
    else:
        return RESIDENT_BYTES
    return int(min(total // RESIDENT_SHARE // sharing, free // 2))
