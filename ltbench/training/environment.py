"""What a run ran on, for its result."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

import ltbench
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.origin import git_revision, library_versions
from ltbench.training.repeatability import described


def environment(
    device: torch.device,
    threads: int,
    code: str,
    plugins: Mapping[str, str],
    *,
    deterministic: bool = False,
) -> dict[str, Any]:
    """Return versions, device and source revision.

    Args:
        device: that the run was trained on.
        threads: CPU threads that it computed with.
        code: digits that change with ltbench's source.
        plugins: versions of the distributions whose plugins shape its result.
        deterministic: whether every operation had to give the same bits each time.
    """
    return {
        "ltbench": ltbench.__version__,
        "code": code,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "device": device_name(device),
        "threads": threads,
        "git": git_revision(),
        "repeatability": described(device, deterministic),
        "distributions": {
            "ltbench": ltbench.__version__,
            **library_versions(),
            **{entry.distribution: entry.version for entry in get_plugins()["metrics"]},
            **plugins,
        },
    }


@lru_cache(maxsize=4)
def device_name(device: torch.device) -> str:
    """Return a device's name as people know it."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({_processor()})" if device.type == "cpu" else device.type


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
