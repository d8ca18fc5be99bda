"""Leaderboards, figures and the page: what runs say, as a reader wants it.

Reports read run folders through :mod:`ltbench.results`, compute with :mod:`ltbench.stats`, and
never import torch.
"""

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
