"""Who trains a run right now, as one look from outside can tell; nothing is taken or changed."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from ltbench.results.claim import STALE_S, WATCH, find_owner
from ltbench.results.untrusted import clean

SILENT_S = 5 * STALE_S
"""After so long without a sign an owner that cannot be seen from here counts as gone. It is longer
than what a process waits that takes over, as that one watches and this is one look by the clock."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that trains a run.

    Attributes:
        host: its machine.
        pid: its number there, 0 where it is not known.
        here: whether it is on this machine and was seen at work.
        silent: seconds since its last sign of life, by the file system's clock.
    """

    host: str
    pid: int
    here: bool
    silent: float

    def __str__(self) -> str:
        if self.here:
            return f"process {self.pid}"
        sign = f"last sign {self.silent:.0f} s ago"
        return f"process {self.pid} on {self.host}, {sign}" if self.pid else sign


def find_holder(folder: Path) -> Holder | None:
    """Return who trains a run, or ``None`` where nobody does any more or ever did."""
    try:
        owner = find_owner(folder)
        if owner is None or WATCH.sees_gone(owner):
            return None
        # Its modification time is a count of signs; the file system dates every one itself.
        silent = time.time() - os.stat(folder / owner.name).st_ctime
        here = owner.process is not None and owner.process.is_gone() is False
    except (OSError, OverflowError, ValueError):
        return None  # nonsense, or gone while we looked
    process = owner.process
    if not here and silent > SILENT_S:
        return None
    name, pid = (clean(process.host), process.pid) if process else ("", 0)
    return Holder(name, pid, here, max(0.0, silent))
