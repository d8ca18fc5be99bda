"""What ltbench tells of its work on request: ``ltbench --verbose``, or ``LTBENCH_VERBOSE=1``.

Modules that do something worth knowing when one looks for a mistake have a logger of their own
name. Nothing is shown unless it is asked for; the environment variable carries the wish to worker
processes, Ray tasks and SLURM jobs.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TextIO

VARIABLE = "LTBENCH_VERBOSE"
FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"


def show_logs(verbosity: int) -> None:
    """Show log messages on stderr from here on, in this process and in those that it starts.

    Args:
        verbosity: 0 shows none, 1 what is done, 2 and more every step of it; of other packages
            only what is informative or worse.
    """
    if verbosity <= 0:
        return
    os.environ[VARIABLE] = str(verbosity)
    root = logging.getLogger()
    root.setLevel(logging.DEBUG if verbosity > 1 else logging.INFO)
    if not any(isinstance(handler, _Stderr) for handler in root.handlers):
        root.addHandler(_Stderr())


def show_logs_as_asked() -> None:
    """Do so if the environment variable asks for it, as it does in a worker process."""
    text = os.environ.get(VARIABLE, "")
    show_logs(int(text) if text.isdecimal() else 0)


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what is stderr at the time: a progress bar puts its own in that place."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(logging.Formatter(FORMAT, datefmt="%H:%M:%S"))
        self.addFilter(_is_of_interest)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """The present stderr."""
        return sys.stderr


def _is_of_interest(record: logging.LogRecord) -> bool:
    """Leave out the details of packages that are not ltbench's; Pillow has one for every chunk."""
    return record.levelno >= logging.INFO or record.name.startswith("ltbench")
