"""Where the seconds of a run go."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

PARTS = {
    "input": "input",
    "forward": "forward",
    "backward": "backward",
    "optimizer": "optimiser",
    "own": "own work",
    "evaluation": "evaluation",
    "checkpoint": "checkpoints",
    "waiting": "waiting",
}
"""The parts of a run, and how a page names them."""


class Stopwatch:
    """Adds up the seconds of each part of a run.

    While a part is open within another, the outer one stands still, so the parts never count a
    second twice. The clock is the host's: on an accelerator, which works on while the host goes on,
    a part has the time to launch its work, and the wait stands where the host needs an answer.

    Args:
        seconds: by part, of a run that goes on.

    Attributes:
        seconds: by part, of those that are closed.
    """

    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        self.seconds = dict(seconds or {})
        self._open: list[str] = []
        self._whole = 0
        self._since = 0.0

    @contextmanager
    def part(self, name: str, *, whole: bool = False) -> Iterator[None]:
        """Count the time until the end of the ``with`` for a part.

        Args:
            name: of :data:`PARTS`.
            whole: count what is opened within for this part too.
        """
        if self._whole:
            yield
            return
        self._turn()
        self._open.append(name)
        self._whole += whole
        try:
            yield
        finally:
            self._turn()
            self._open.pop()
            self._whole -= whole

    def _turn(self) -> None:
        """Give the time since the last turn to the part that is open."""
        now = time.perf_counter()
        if self._open:
            name = self._open[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now
