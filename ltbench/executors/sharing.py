"""How many runs share a GPU unless somebody says so: several, where their networks are small.

A small network computes for less time than it takes to launch its kernels, so that a GPU is idle
for most of a step; other runs fill it. Each needs a core of its own to launch them, and its part of
the memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import torch

from ltbench.executors.processor import cores
from ltbench.models.catalogue import build_backbone

PARAMETERS = 1_000_000
"""A network has no more of them where runs share a GPU."""

SIDE = 64
"""Nor do its images have a larger side, in pixels."""

MEMORY = 4 << 30
"""Bytes of a GPU's memory for each of the runs that share it."""

MOST = 4
"""Runs that share a GPU at most: more of them wait for one another."""

Network = tuple[str, int, int]
"""A backbone's name with channels and side of the images."""


def runs_per_gpu(device: str, trained: Iterable[Network]) -> int:
    """Return how many runs share a GPU by default.

    Args:
        device: as :func:`ltbench.executors.machine.choose_device` returns it.
        trained: all networks of the sweep.

    Raises:
        UsageError: a backbone does not exist.
    """
    if not device.startswith("cuda") or not all(map(_is_small, trained)):
        return 1
    gpus: Sequence[int] = range(torch.cuda.device_count())
    if ":" in device:
        gpus = [int(device.partition(":")[2])]
    if not gpus:
        return 1
    memory = min(torch.cuda.get_device_properties(gpu).total_memory for gpu in gpus)
    return max(1, min(MOST, cores() // len(gpus), memory // MEMORY))


@lru_cache(maxsize=16)
def _is_small(network: Network) -> bool:
    name, channels, side = network
    if not 0 < side <= SIDE:
        return False
    backbone = build_backbone(name, (channels, side, side), False)
    return sum(parameter.numel() for parameter in backbone.parameters()) <= PARAMETERS
