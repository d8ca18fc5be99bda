"""Leaderboards, figures and the page: what runs say, as a reader wants it.

Reports read run folders through :mod:`ltbench.results`, compute with :mod:`ltbench.stats`, and
never import torch.
"""

from __future__ import annotations

from pathlib import Path

from ltbench.errors import UsageError

SUFFIXES = {
    "terminal": ".txt",
    "markdown": ".md",
    "csv": ".csv",
    "json": ".json",
    "latex": ".tex",
    "html": ".html",
}
"""The formats of a report, and what the names of their files end in."""

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")
"""What the name of a figure's file ends in."""


def check_figure_suffix(output: Path) -> None:
    """Check that the name of a figure's file says a format, before anything is drawn.

    Raises:
        UsageError: it does not.
    """
    if output.suffix.lower() not in FIGURE_SUFFIXES:
        raise UsageError(
            f"'{output}' does not say a format: end its name in {', '.join(FIGURE_SUFFIXES)}."
        )
