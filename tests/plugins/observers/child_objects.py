"""Objects for a process of its own, which must be able to import them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


class Notes:
    """Writes what it is told into a file, or fails as it is told."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: str) -> None:
        with self.path.open("a") as file:
            file.write(text + "\n")

    def fail(self, text: str) -> None:
        raise ValueError(text)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def die(self) -> None:
        os._exit(3)

    def close(self) -> None:
        self.write("closed")


class Unmakeable(Notes):
    """Cannot even be made."""

    def __init__(self) -> None:
        raise ImportError("no such package")


class Recorder:
    """Does as it is told."""

    def note(self, text):
        pass

    def stop(self):
        os.kill(os.getpid(), signal.SIGSTOP)

    def leave_child(self):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)

    def fail(self):
        raise ValueError("told to")

    def close(self):
        pass
