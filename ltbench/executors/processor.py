"""The processor of this machine, as far as the speed of its arithmetic depends on it."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ltbench.executors.cgroup import processor_limit

NOTABLE = (
    "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16",
    "amx_fp16", "asimd", "sve", "bf16",
)  # fmt: skip
"""Flags that say in which numbers a processor multiplies matrices."""
_FAMILY = ("cpu family", "model", "stepping", "CPU implementer", "CPU part")


@dataclass(frozen=True)
class Processor:
    """A processor.

    Attributes:
        name: with family and model, as virtual machines often give no more than a maker.
        flags: all that it says it can do.
    """

    name: str
    flags: frozenset[str]

    @property
    def key(self) -> str:
        """The name, with twelve digits for the flags."""
        return (
            f"{self.name} {hashlib.sha256(' '.join(sorted(self.flags)).encode()).hexdigest()[:12]}"
        )

    @property
    def notable(self) -> list[str]:
        """Those of the flags that matter here, in a fixed order."""
        return [flag for flag in NOTABLE if flag in self.flags]


def cores() -> int:
    """Return how many CPU cores this process may keep busy.

    Affinity says which ones, and the control group of a container or batch job for how much of
    their time: of one and a half cores, one.
    """
    limit = processor_limit()
    return affine_cores() if limit is None else max(1, min(affine_cores(), int(limit)))


def affine_cores() -> int:
    """Return on how many CPU cores this process may run, for however short a time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=1)
def processor() -> Processor:
    """Return the processor of this machine."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Processor(f"{platform.machine()} {platform.processor()}".strip(), frozenset())
    lines = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    found = {key.strip(): value.strip() for key, _, value in lines}
    words = [f"{key.removeprefix('cpu ')} {found[key]}" for key in _FAMILY if key in found]
    name = found.get("model name", platform.machine())
    flags = found.get("flags") or found.get("Features", "")
    return Processor(f"{name} ({', '.join(words)})" if words else name, frozenset(flags.split()))
