"""Which process is this, and is that one still there?"""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Process:
    """A process, named so that no other process anywhere has the same name.

    Attributes:
        host: the machine's name, for people.
        machine: what numbers processes: a boot of a machine, or a container on it.
        pid: the number.
        start: when it started, in the machine's own count; numbers are used again.
    """

    host: str
    machine: str
    pid: int
    start: str

    @classmethod
    def current(cls) -> Self:
        """Return this process."""
        pid = os.getpid()
        return cls(platform.node(), machine(), pid, _state_and_start(pid)[1])

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Read what ``asdict`` makes of a process, which may have been written by anybody.

        Raises:
            ValueError: it is something else.
        """
        try:
            host, machine, start = (str(document[key]) for key in ("host", "machine", "start"))
            return cls(host, machine, int(document["pid"]), start)
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError("this does not name a process") from error

    def is_gone(self) -> bool | None:
        """Return whether the process has ended; ``None`` where it cannot be seen from here."""
        if self.machine != machine():
            return None
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return True
        except OSError:
            pass  # it is there, and another user's
        try:
            state, start = _state_and_start(self.pid)
        except FileNotFoundError:
            return None  # it ended just now, or this system hides the processes of others
        except (OSError, ValueError, IndexError):
            return None
        return state in "ZX" or start != self.start

    def is_stopped(self) -> bool:
        """Return whether the process stands still here, by Ctrl-Z or SIGSTOP, until it is woken."""
        if self.machine != machine():
            return False
        try:
            state, start = _state_and_start(self.pid)
        except (OSError, ValueError, IndexError):
            return False
        return state in "Tt" and start == self.start


@lru_cache(maxsize=1)
def machine() -> str:
    """Return the name of what gives this process its number.

    On Linux it changes with every boot and differs between containers, whose numbers overlap.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        return f"{platform.node()} {uuid.getnode():x}"
    return f"{platform.node()} {boot} {space}"


def _state_and_start(pid: int) -> tuple[str, str]:
    """Return the state's letter and the start, which is no wall clock's time: those may jump."""
    if not os.path.exists("/proc/self/stat"):
        import psutil

        try:
            process = psutil.Process(pid)
            letters = {psutil.STATUS_ZOMBIE: "Z", psutil.STATUS_STOPPED: "T"}
            state = letters.get(process.status(), "R")
            return state, repr(process.create_time())
        except psutil.NoSuchProcess as error:
            raise FileNotFoundError(pid) from error
        except psutil.Error as error:
            raise OSError(str(error)) from error
    # The second field is the program's name in brackets, which may itself hold anything.
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return fields[0].decode(), fields[19].decode()
