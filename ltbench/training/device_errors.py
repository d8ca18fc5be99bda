"""Errors after which a process cannot use its accelerator any more."""

from __future__ import annotations

import re

import torch

_LOST = re.compile(
    r"\b(CUDA|HIP|cuDNN|MIOpen|cuBLAS|CUBLAS|cuFFT|cuSOLVER|NVRTC|NCCL|MPS|XPU)"
    r"(_STATUS_\w+| error\b| kernel errors| driver error|: unspecified| failure)"
    r"|device-side assert|illegal memory access|unspecified launch failure",
)
_MEMORY = re.compile(r"out of memory|OutOfMemory", re.IGNORECASE)


def loses_device(error: BaseException) -> bool:
    """Return whether an error, or one that led to it, means that the device is lost.

    After a failed assertion on a GPU every later call of the process fails as well; when the
    memory did not suffice, nothing is lost.
    """
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if _is_lost(current):
            return True
        current = current.__cause__ or current.__context__
    return False


def _is_lost(error: BaseException) -> bool:
    if not isinstance(error, RuntimeError) or isinstance(error, torch.OutOfMemoryError):
        return False
    try:
        text = str(error)
    except BaseException:
        text = ""
    if _MEMORY.search(text):
        return False
    return isinstance(error, torch.AcceleratorError) or _LOST.search(text) is not None
