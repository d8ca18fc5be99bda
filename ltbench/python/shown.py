"""What a report command prints, as an object that shows itself in a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ltbench.errors import UsageError
from ltbench.report import SUFFIXES
from ltbench.report.render import FORMATS, markdown, terminal, write
from ltbench.report.section import Report

if TYPE_CHECKING:
    import os

_WIDTH = 100


class Shown:
    """Tables with their notes, in any format.

    Args:
        report: what is shown.
    """

    def __init__(self, report: Report) -> None:
        self.report = report

    def __str__(self) -> str:
        return terminal(self.report, _WIDTH)

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return markdown(self.report)

    def _repr_html_(self) -> str:
        from ltbench.report.page import fragment

        return fragment(self.report)

    def to_markdown(self) -> str:
        """Return the tables in Markdown."""
        return markdown(self.report)

    def to_html(self) -> str:
        """Return a page that asks nothing of any network."""
        return FORMATS["html"](self.report)

    def to_latex(self) -> str:
        """Return the tables in LaTeX."""
        return FORMATS["latex"](self.report)

    def frame(self) -> pd.DataFrame:
        """Return what the CSV of the command holds: of a leaderboard a row for each method.

        Of several tables that have other columns each, the first column, ``table``, says which a
        row is of.
        """
        if self.report.frame is not None:
            return self.report.frame()
        parts = [part for part in self.report.sections if len(part.frame)]
        frames = {part.title: part.frame for part in parts}
        if not frames:
            return pd.DataFrame()
        return pd.concat(frames, names=["table"]).reset_index(level=0).reset_index(drop=True)

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write it into a file, whose name says the format: ``.md``, ``.html``, ``.csv``, ….

        Returns:
            The file.

        Raises:
            UsageError: the name says no format.
        """
        output = Path(path)
        formats = {suffix: name for name, suffix in SUFFIXES.items()}
        if output.suffix not in formats:
            raise UsageError(f"'{output}' does not say its format: end it in {', '.join(formats)}")
        write(self.report, formats[output.suffix], output)
        return output
