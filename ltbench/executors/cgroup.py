"""What a control group leaves this process: containers and batch systems set such limits (Linux).

Libraries count processors by affinity; a limit on processor time does not show there, and neither
does one on memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def processor_limit() -> float | None:
    """Return how many cores' time the process may use, ``None`` where nothing limits it.

    Source: ``cpu.max`` in ``Documentation/admin-guide/cgroup-v2.rst`` of Linux, and
    ``cpu.cfs_quota_us`` of the first version; of nested groups the tightest counts.
    """
    found = []
    for folder in _folders("cpu"):
        words = [*_words(folder / "cpu.max")] or [
            *_words(folder / "cpu.cfs_quota_us"),
            *_words(folder / "cpu.cfs_period_us"),
        ]
        with contextlib.suppress(ValueError):  # "max", or not two numbers
            quota, period = map(int, words)
            if quota > 0 and period > 0:
                found.append(quota / period)
    return min(found, default=None)


def memory_limit() -> int | None:
    """Return how many bytes the process may use together with its group, ``None`` for all."""
    found = []
    for folder in _folders("memory"):
        words = _words(folder / "memory.max") or _words(folder / "memory.limit_in_bytes")
        with contextlib.suppress(ValueError):
            (limit,) = map(int, words)
            if 0 < limit < 2**60:  # the first version has a huge number for none
                found.append(limit)
    return min(found, default=None)


def _folders(controller: str) -> Iterator[Path]:
    """Yield the folders of the process's group and of those around it."""
    try:
        lines = OWN.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines or ["0::/"]:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        base = ROOT / controller if controllers else ROOT
        own = Path(path.lstrip("/"))
        if ".." in own.parts:  # a group outside of this namespace
            own = Path()
        yield from (base / folder for folder in (own, *own.parents))


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return []
