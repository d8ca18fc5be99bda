"""The processes that a worker leaves behind: what a plugin forked outlives it, and holds its pipes.

Such a process keeps the terminal's pipe open, so that whoever reads what the command prints never
sees its end, and it computes on for nobody.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import uuid
from collections.abc import Iterator

import psutil

VARIABLE = "LTBENCH_WORKER"
"""Environment variable by which a worker's descendants are known, whoever their parent is now."""


@contextlib.contextmanager
def marked() -> Iterator[str]:
    """Have the process that is started in this block, and all its descendants, bear a mark."""
    before, mark = os.environ.get(VARIABLE), uuid.uuid4().hex
    os.environ[VARIABLE] = mark
    try:
        yield mark
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def bear_mark(mark: str) -> None:
    """Have this process bear another mark of as many letters than the one it was forked from.

    What others read of an environment is the memory that the process was started with.
    """
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_void_p
    ctypes.memmove(getenv(VARIABLE.encode()), mark.encode(), len(mark))
    os.environ[VARIABLE] = mark


def kill_marked(mark: str) -> int:
    """Kill the processes that bear a mark and return how many there were."""
    killed = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(VARIABLE) == mark:
                process.kill()
                killed += 1
    return killed
