"""Writes runs that were checked as rows of a board, each with its badge and who handed it in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ltbench.errors import UsageError
from ltbench.results.rows import SUFFIX, write_rows

if TYPE_CHECKING:
    from ltbench.session.verification.verify import Verification


def check_output(output: Path) -> None:
    """Check that rows can be told by the name of their file.

    Raises:
        UsageError: it ends in something else.
    """
    if output.suffix != SUFFIX or output.is_dir():
        raise UsageError(f"-o {output}: rows are a {SUFFIX} file, so end its name in that")


def write_verified(found: Verification, output: Path) -> int:
    """Write the runs with nothing wrong, and return how many they are; none write no file.

    Raises:
        DataError: a run's files do not fit.
    """
    good = [run for run in found.runs if not run.wrong]
    if not good:
        return 0
    badges = {run.record.path: run.badge for run in good}
    return write_rows([run.record for run in good], output, badges, found.origin)
