"""How all figures look, whoever draws them: size, letters, colours that all readers can tell."""

from __future__ import annotations

from contextlib import AbstractContextManager

import matplotlib as mpl

PAGE_WIDTH = 7.0
"""Inches; no figure is wider, so that none is shrunk in print and its letters with it."""

# Found by a search for the largest smallest difference (CIEDE2000) between any two, for readers
# with all cones and without red or green ones: 17.7. The first four differ in lightness as well,
# by 25 of 100, so that they are also told apart in grey print.
PALETTE = (
    "#004477", "#AA7700", "#99CCDD", "#000000", "#AA88FF", "#5522FF",
    "#77DD00", "#773300", "#228899", "#887766", "#BBCCAA", "#334444",
)  # fmt: skip
"""The colours of series, told apart by readers without red or green cones; figures cycle them."""

_RC = {
    "font.size": 8,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": f"cycler(color={list(PALETTE)})",
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "hatch.color": "#888888",
    "hatch.linewidth": 0.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "ltbench",
    "pdf.fonttype": 42,
    # Names of methods and classes may hold dollar signs.
    "text.parse_math": False,
    # Of figures that choose neither.
    "figure.figsize": (PAGE_WIDTH, 4.0),
    "figure.constrained_layout.use": True,
}


def style() -> AbstractContextManager[None]:
    """Return a context in which figures are made and saved alike, whatever the user's settings."""
    return mpl.rc_context({**mpl.rcParamsDefault, **_RC, "backend": "agg"})
