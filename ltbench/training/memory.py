"""The memory of a device: what a run took at most, what it leaves, and what to do without enough.

A worker carries out run after run, perhaps beside others on the same card, so what one run took is
given back before the next.
"""

from __future__ import annotations

import contextlib
import gc
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

from ltbench.plugins.honours import obstacle
from ltbench.plugins.resolve import resolve_written
from ltbench.training.job import Job

_PEAK = Path("/proc/self/clear_refs")


def free_memory(device: torch.device) -> None:
    """Give back what no tensor needs any more; on an accelerator torch keeps it otherwise."""
    if device.type == "cpu":
        return
    gc.collect()
    with contextlib.suppress(RuntimeError):  # of a device that is lost
        if device.type == "cuda" and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.empty_cache()
        elif device.type == "mps" and torch.backends.mps.is_available():
            torch.mps.empty_cache()


@contextlib.contextmanager
def memory_given_back(device: str) -> Iterator[None]:
    """Give back what a run took once it is over, however it ended.

    Args:
        device: that it computed on.
    """
    try:
        yield
    finally:
        free_memory(torch.device(device))


def reset_peak_memory(device: torch.device) -> None:
    """Have :func:`peak_memory_mb` count from now on; what else the process holds stays in it.

    Where the system cannot do that (macOS) the process's memory counts from its start.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):
        _PEAK.write_text("5")


def peak_memory_mb(device: torch.device) -> float:
    """Return the largest memory of this process (or on its GPU) in the run, in MB."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)


def out_of_memory(job: Job) -> str:
    """Return in a sentence what the memory did not suffice for, and what to try.

    Args:
        job: the run that ended so.
    """
    protocol, device = job.spec.protocol, torch.device(job.device)
    batch, accumulate = protocol.batch_per_domain, protocol.accumulate
    several = f", {accumulate} of them a step" if accumulate > 1 else ""
    tried = []
    if batch > 1:
        half = max(1, batch // 2)
        kept = f" --accumulate {2 * accumulate}" if batch % 2 == 0 and _accumulates(job) else ""
        tried.append(f"a smaller batch (--batch-size {half}{kept})")
    if job.sharing > 1:
        option = "--jobs" if device.type == "cpu" else "--jobs-per-device"
        tried.append(f"fewer runs at a time ({option} {job.sharing - 1})")
    if job.spec.precision == "fp32":
        tried.append("--precision bf16")
    return (
        f"out of memory on {device} with batches of {batch} images a domain{several}"
        f"{_filled(device)}; try {', '.join(tried[:-1])}{' or ' if tried[1:] else ''}"
        f"{''.join(tried[-1:]) or 'a smaller backbone or --image-size'}"
    )


def _accumulates(job: Job) -> bool:
    parts = [("algorithms", job.spec.algorithm), *(("stages", s) for s in job.spec.stages)]
    with contextlib.suppress(Exception):  # whatever it is, the run has failed for another reason
        classes = [resolve_written(kind, c.name, c.hparams)[0] for kind, c in parts]
        return not any(obstacle(cls, "accumulate") for cls in classes)
    return False


def _filled(device: torch.device) -> str:
    """Return how much of the memory is in use, in words; nothing where it cannot be asked."""
    with contextlib.suppress(Exception):
        if device.type == "cuda":
            free, total = torch.cuda.mem_get_info(device)
            own = torch.cuda.max_memory_allocated(device)
            used = f"{_gb(total - free)} of {_gb(total)} GB in use"
            return f": {used}, and this run had up to {_gb(own)}"
        if device.type == "mps":
            total = torch.mps.recommended_max_memory()
            return f": {_gb(torch.mps.driver_allocated_memory())} of {_gb(total)} GB in use"
        memory = psutil.virtual_memory()
        own = psutil.Process().memory_info().rss
        used = f"{_gb(memory.total - memory.available)} of {_gb(memory.total)} GB in use"
        return f": {used}, {_gb(own)} of them by this process"
    return ""


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f}"
