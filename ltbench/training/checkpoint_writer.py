"""Writes the checkpoints of a run in the background, at most one at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from torch import Tensor

from ltbench.results.folder import RunFolder
from ltbench.training.checkpoint import Checkpoint, save_checkpoint

logger = logging.getLogger(__name__)

SMALL_BYTES = 64 << 20
"""Checkpoints of small networks, up to this size, are written at every evaluation."""

SHARE = 0.05
"""The part of a run's time for which larger ones are being written, at most."""

LONGEST_S = 300.0
"""Between evaluations a checkpoint is written once the last one is so old."""


class CheckpointWriter:
    """Writes ``latest.pt`` while training goes on; a context manager, which waits at its end.

    The state is copied when it is to be written, and the copy is given up as soon as it is on the
    disk. The next one waits for that, so there are never two. What the disk refuses is raised by
    the next call.

    Args:
        folder: the run's.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._began = time.monotonic()
        self._took: float | None = 0.0  # None while one is being written
        self._bytes = 0  # of the last one

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for what is being written; its failure is raised unless something else was."""
        self._join()
        if error is None:
            self.check()
        elif self._error is not None:
            logger.info("the last checkpoint was not written: %s", self._error)

    def due(self, evaluated: bool) -> bool:
        """Return whether it is time for a checkpoint.

        Args:
            evaluated: whether there was an evaluation just now.

        Raises:
            OSError: the last one could not be written.
            ClaimLost: the run is another process's by now.
        """
        self.check()
        passed = time.monotonic() - self._began
        if not evaluated:
            return passed >= LONGEST_S and self._took is not None
        small = self._bytes <= SMALL_BYTES
        return small or (self._took is not None and self._took <= SHARE * passed)

    def begin(self, copy: Callable[[], Checkpoint]) -> None:
        """Copy the state, and have it written in the background.

        Args:
            copy: returns the state, with nothing in it that training changes. It is called once the
                checkpoint before is on the disk.

        Raises:
            OSError, ClaimLost: as :meth:`due`.
        """
        self._join()
        self.check()
        self._began, self._took = time.monotonic(), None
        # In a list, from which the thread takes it: nobody else holds it then.
        states = [copy()]
        self._bytes = _size(vars(states[0]))
        self._thread = threading.Thread(target=self._write, args=(states,), name="checkpoint")
        self._thread.start()

    def finish(self) -> None:
        """Wait until what was begun is on the disk.

        Raises:
            OSError, ClaimLost: as :meth:`due`.
        """
        self._join()
        self.check()

    def check(self) -> None:
        """Raise what kept the last checkpoint from being written, if anything did."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _write(self, states: list[Checkpoint]) -> None:
        folder = self.folder
        try:
            # The lines of the log that it counts reach the disk before it.
            save_checkpoint(folder.latest, states.pop(), [folder.log], folder.guard)
        except BaseException as error:
            self._error = error
        finally:
            self._took = time.monotonic() - self._began

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None


def _size(value: Any) -> int:
    """Return the bytes of all tensors, the chosen model's left out."""
    if isinstance(value, Tensor):
        return value.nbytes
    return sum(map(_size, value.values())) if isinstance(value, Mapping) else 0
