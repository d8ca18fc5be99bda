"""What this machine offers to a training, told without importing PyTorch."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil

from ltbench.executors.cgroup import memory_limit, processor_limit
from ltbench.executors.processor import affine_cores, cores, processor
from ltbench.session.checks import OK, WARN, Check

LITTLE = 2 << 30
"""Bytes of memory that a worker may want, with what it trains on."""
_ASKED = "name,memory.total,memory.free,driver_version"
_MANY = 5  # seconds that a driver may take to answer


def hardware_checks() -> Iterator[Check]:
    """Yield the processor, its cores, the memory and the GPUs."""
    own = processor()
    yield Check("processor", OK, own.name)
    yield Check("flags", OK, " ".join(own.notable) or "none that matter here")
    yield _cores()
    yield _memory()
    yield from _gpus()


def _cores() -> Check:
    allowed, limit = affine_cores(), processor_limit()
    there = psutil.cpu_count() or allowed
    found = f"{allowed}" if allowed >= there else f"{allowed} of {there}, by affinity"
    if limit is None or limit >= allowed:
        return Check("cores", OK, found)
    found += f", and a control group leaves the time of {limit:.4g}: {cores()} at once"
    if limit >= 1:
        return Check("cores", OK, found)
    return Check("cores", WARN, found, "ask for a whole core: all timings are too long by as much")


def _memory() -> Check:
    found = psutil.virtual_memory()
    limit = memory_limit()
    total = min(found.total, limit or found.total)
    text = f"{_gigabytes(total)}, {_gigabytes(min(found.available, total))} free"
    if total < found.total:
        text += f", by a control group; the machine has {_gigabytes(found.total)}"
    if min(found.available, total) < LITTLE:
        advice = "--jobs 1, or end other programs: a run takes 1 to 2 GB and what it trains on"
        return Check("memory", WARN, text, advice)
    return Check("memory", OK, text)


def _gpus() -> Iterator[Check]:
    built, gpus = built_for(), _nvidia()
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        yield Check("GPU", OK, "Apple's, for --device mps")
    elif not gpus:
        yield Check("GPU", OK, "none that nvidia-smi knows of")
    for number, (name, total, free, driver) in enumerate(gpus):
        found = f"{name}, {total} MiB, {free} free, driver {driver}"
        if built is not None and not built.startswith("CUDA"):
            yield Check(
                f"GPU {number}",
                WARN,
                f"{found}; PyTorch is built without CUDA and does not use it",
                "install PyTorch for CUDA as https://pytorch.org/get-started says",
            )
        else:
            yield Check(f"GPU {number}", OK, f"{found}, PyTorch for {built or 'unknown'}")


def built_for() -> str | None:
    """Return what PyTorch is built for, ``"CUDA 13.2"``, or ``""`` for none of the GPUs' makers.

    ``None`` where it cannot be told.
    """
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    try:
        text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    makers = {"cuda": "CUDA", "hip": "ROCm", "xpu": "XPU"}
    found = {
        key: re.search(rf"^{key}\b.*=\s*(?:'([^']+)'|None)", text, re.MULTILINE) for key in makers
    }
    if not found["cuda"]:
        return None
    return next((f"{makers[key]} {one[1]}" for key, one in found.items() if one and one[1]), "")


def _nvidia() -> list[list[str]]:
    """Return name, memory, free memory (MiB) and driver of each GPU that the driver names."""
    command = ["nvidia-smi", f"--query-gpu={_ASKED}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_MANY, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines()]
    return [row for row in rows if len(row) == len(_ASKED.split(","))]


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
