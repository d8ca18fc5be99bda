"""The contract of a table of a particular experiment, ``ltbench tables NAME``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from ltbench.plugins import hparams as parameters

if TYPE_CHECKING:
    from ltbench.report.figure_data import FigureData
    from ltbench.report.section import Section


class ExperimentTable:
    """Makes of runs what one experiment's readers look for, in any format of reports.

    The docstring is the command's help. Subclasses implement :meth:`sections`.

    Args:
        hparams: what the user typed.

    Attributes:
        HParams: the command's own options: ``components`` is ``--components``.
    """

    HParams: ClassVar[type[parameters.HParams]] = parameters.HParams

    def __init__(self, hparams: parameters.HParams) -> None:
        self.hparams = hparams

    def sections(self, data: FigureData) -> Sequence[Section]:
        """Return the tables, one after the other.

        Args:
            data: the runs that were chosen; this writes no files.

        Raises:
            UsageError: the runs do not suit it; the sentence says what to choose instead.
            DataError: a file of a run is missing or does not fit.
        """
        raise NotImplementedError
