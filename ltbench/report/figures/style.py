"""The look of all figures: fonts, colours that colour-blind readers can tell, legends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

# Chosen among Paul Tol's schemes ("Colour schemes", SRON technical note 09-002, 2021) so that
# any two stay at least 20 units of CIE L*a*b* apart, also for readers without red or green cones.
PALETTE = (
    "#4477AA", "#EE6677", "#000000", "#BBCC33", "#332288", "#66CCEE",
    "#222255", "#999933", "#666633", "#BBBBBB", "#225555", "#DDCC77",
)  # fmt: skip
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
GRADIENT = "cividis"

_RC = {
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "ltbench",
    "pdf.fonttype": 42,
    # Names of methods and classes may hold dollar signs.
    "text.parse_math": False,
}


def style() -> AbstractContextManager[None]:
    """Return a context in which figures are made and saved alike, whatever the user's settings."""
    return mpl.rc_context({**mpl.rcParamsDefault, **_RC, "backend": "agg"})


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches, with a layout that keeps labels apart."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def color(index: int) -> str:
    """Return the colour of a series; after twelve they repeat, told apart by :func:`dash`."""
    return PALETTE[index % len(PALETTE)]


def dash(index: int) -> Any:
    """Return the line style of a series; it changes each time the colours repeat."""
    return DASHES[(index // len(PALETTE)) % len(DASHES)]


def class_colors(number: int) -> list[Any]:
    """Return a colour for each class: distinct up to twelve, a gradient beyond."""
    if number <= len(PALETTE):
        return list(PALETTE[:number])
    gradient = mpl.colormaps[GRADIENT]
    return [gradient(i / (number - 1)) for i in range(number)]


def shortened(name: str, length: int = 28) -> str:
    """Return a name cut in the middle, so that its ends still tell it from others."""
    if len(name) <= length:
        return name
    half = (length - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def plain_numbers(axis: Axis) -> None:
    """Write the ticks of a logarithmic axis as plain numbers, since mathematical text is off."""
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def grid_shape(panels: int, most_columns: int) -> tuple[int, int]:
    """Return rows and columns for so many panels."""
    columns = min(panels, most_columns)
    return math.ceil(panels / columns), columns


def tick_step(number: int, room: int) -> int:
    """Return how many ticks to pass over so that at most ``room`` labels remain."""
    return max(1, math.ceil(number / room))


def legend_columns(names: Sequence[str], width: float) -> int:
    """Return how many columns a legend below a figure of this width can have."""
    longest = max((len(shortened(name)) for name in names), default=1)
    return max(1, int(width / (0.55 + 0.075 * longest)))
