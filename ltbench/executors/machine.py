"""What this machine offers: devices, slots, threads, and ways to compute."""

from __future__ import annotations

import platform

import psutil
import torch

from ltbench.errors import UsageError
from ltbench.executors.cgroup import memory_limit
from ltbench.executors.processor import cores, processor
from ltbench.executors.slots import Slots
from ltbench.results.arithmetic import MEMORY_FORMATS

WORKER_BYTES = 2 << 30  # a worker with a small model needs about a third of this


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
        there = psutil.virtual_memory().total
        count = max(1, min(cores(), min(there, memory_limit() or there) // WORKER_BYTES))
    else:
        devices, count = [device], 1
    count = jobs or (len(devices) * per_device if per_device else count)
    return Slots(tuple(devices[i % len(devices)] for i in range(min(count, max(1, runs)))))


def precisions(device: str) -> tuple[str, ...]:
    """Return the number formats that are worth a trial on a device of this machine.

    What it does not compute with natively is left out: to compute as if takes ten times as long.
    """
    if device.startswith("cuda"):
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = device == "cpu" and _cpu_has_bf16()
    return ("fp32", "bf16") if native else ("fp32",)


def memory_formats(device: str) -> tuple[str, ...]:
    """Return the memory formats that are worth a trial on a device of this machine."""
    return MEMORY_FORMATS[:1] if device == "mps" else MEMORY_FORMATS


def _cpu_has_bf16() -> bool:
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    if any(getattr(torch.cpu, name, lambda: False)() for name in checks):
        return True
    arm = platform.machine() in ("aarch64", "arm64") and platform.system() == "Linux"
    return arm and "bf16" in processor().flags
