"""Says so where the command waits for long for something that does not come back."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Self

from ltbench.plugins.blame import owner_at_work
from ltbench.plugins.manager import get_plugins

PATIENCE_S = 45.0
"""Seconds that a call may take before the user is told."""
_LOOK_S = 1.0


class Overdue:
    """Watches the calls that this thread makes, from another one.

    Args:
        say: tells the user a sentence.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self._call: tuple[str, float] | None = None
        self._watched = threading.get_ident()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="overdue", daemon=True)

    @contextlib.contextmanager
    def waiting_for(self, what: str) -> Iterator[None]:
        """Have the user told if this block takes long.

        Args:
            what: ends the sentence "still waiting for".
        """
        self._call = what, time.monotonic()
        try:
            yield
        finally:
            self._call = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def _watch(self) -> None:
        told: tuple[str, float] | None = None
        while not self._ended.wait(_LOOK_S):
            call = self._call
            if call and call is not told and time.monotonic() - call[1] > PATIENCE_S:
                told = call
                frame = sys._current_frames().get(self._watched)
                who = owner_at_work(frame, get_plugins()) if frame else ""
                self.say(f"still waiting for {call[0]}{who}, {PATIENCE_S:g} s so far")
