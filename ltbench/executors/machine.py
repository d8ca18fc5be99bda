"""What this machine offers: devices, slots, threads and number formats."""

from __future__ import annotations

import os

import psutil
import torch

from ltbench.errors import UsageError
from ltbench.executors.slots import Slots

WORKER_BYTES = 2 << 30  # a worker with a small model needs about a third of this


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_device(asked: str) -> str:
    """Return the device for ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises:
        UsageError: it is not a device, or this machine has none such.
    """
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(asked)
    except RuntimeError as error:
        raise UsageError(
            f"--device {asked} is not a device: use auto, cpu, cuda or cuda:0"
        ) from error
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.type, False):
        raise UsageError(f"--device {asked}: this machine has no such device; use --device auto")
    return asked


def make_slots(device: str, jobs: int | None, runs: int, per_device: int | None = None) -> Slots:
    """Return the slots: one per GPU, or one per core that has the memory for a worker.

    Args:
        device: as chosen by :func:`choose_device`.
        jobs: how many runs at a time, or ``None`` for the default.
        runs: runs of the whole sweep, the finished ones included, so that the same command always
            shares the machine in the same way.
        per_device: how many runs share a device, or ``None`` for the default; all CPU cores are
            one device.
    """
    if device == "cuda":
        devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())] or ["cuda"]
        count = len(devices)
    elif device == "cpu":
        devices = ["cpu"]
        memory = psutil.virtual_memory().total // WORKER_BYTES
        count = max(1, min(cores(), int(memory)))
    else:
        devices, count = [device], 1
    count = jobs or (len(devices) * per_device if per_device else count)
    return Slots(tuple(devices[i % len(devices)] for i in range(min(count, max(1, runs)))))


def choose_precision(asked: str, device: str) -> str:
    """Return ``bf16`` or ``fp32``; ``auto`` is bf16 where the device computes with it natively."""
    if asked != "auto":
        return asked
    if device.startswith("cuda"):
        if not torch.cuda.is_available():  # the GPUs are those of a cluster
            raise UsageError(
                "--precision auto cannot ask GPUs that are elsewhere: type --precision bf16 "
                "(NVIDIA Ampere or newer) or --precision fp32"
            )
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if device == "cpu" and _cpu_has_bf16() else "fp32"


def _cpu_has_bf16() -> bool:
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in checks)
