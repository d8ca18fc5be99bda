"""The look of all figures: the page's size, fonts, colours that colour-blind readers can tell."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from ltbench.errors import UsageError

PAGE_WIDTH = 7.0
"""Inches; no figure is wider, so that none is shrunk in print and its letters with it."""
PAGE_HEIGHT = 9.5
"""Inches; what is drawn of twenty methods fits on one page."""
DPI = 300

# Found by a search for the largest smallest difference (CIEDE2000) between any two, for readers
# with all cones and without red or green ones: 17.7. The first four differ in lightness as well,
# by 25 of 100, so that they are also told apart in grey print.
PALETTE = (
    "#004477", "#AA7700", "#99CCDD", "#000000", "#AA88FF", "#5522FF",
    "#77DD00", "#773300", "#228899", "#887766", "#BBCCAA", "#334444",
)  # fmt: skip
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
GRADIENT = "cividis"

_RC = {
    "font.size": 8,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
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
}


def style() -> AbstractContextManager[None]:
    """Return a context in which figures are made and saved alike, whatever the user's settings."""
    return mpl.rc_context({**mpl.rcParamsDefault, **_RC, "backend": "agg"})


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches, with a layout that keeps labels apart."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def headline(figure: Figure, text: str, dataset: str = "") -> None:
    """Write the heading of a figure, with the data set before it."""
    text = f"{shortened(dataset, 36)}: {text}" if dataset else text
    figure.suptitle(wrapped(text, figure.get_figwidth()), fontsize=9)


def wrapped(text: str, width: float) -> str:
    """Return a heading in as many lines as so many inches ask for, all about as long."""
    most = int(width / 0.075)
    lines = math.ceil(len(text) / most)
    # Some room beside the mean length, since words are not cut.
    return textwrap.fill(text, min(most, len(text) // lines + 8), break_on_hyphens=False)


def bar_below(figure: Figure, image: ScalarMappable, label: str) -> Colorbar:
    """Add the scale of colours below all panels, of the same size in every figure."""
    width, height = figure.get_size_inches()
    return figure.colorbar(
        image, ax=figure.axes, label=label, location="bottom", shrink=min(1.0, 3 / width),
        aspect=28, fraction=0.15 / height, pad=0.1 / height,
    )  # fmt: skip


def panels(figure: Figure, rows: int, columns: int, **options: Any) -> np.ndarray:
    """Return axes (rows, columns) that are not shown before :meth:`set_visible` says so."""
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for axis in axes.ravel():
        axis.set_visible(False)
    return axes


def share_range(axes: Iterable[Axes]) -> None:
    """Give panels, which need not stand side by side, the same range of values."""
    chosen = list(axes)
    low = min(axis.get_ylim()[0] for axis in chosen)
    high = max(axis.get_ylim()[1] for axis in chosen)
    for axis in chosen:
        axis.set_ylim(low, high)


def refuse_too_many(methods: int, most: int, what: str) -> None:
    """Refuse to draw more methods than can be told apart.

    Raises:
        UsageError: there are more.
    """
    if methods > most:
        raise UsageError(
            f"{what} of {methods} methods cannot be read: choose at most {most} with --algo."
        )


def over_seeds(counts: Iterable[int]) -> str:
    """Return over how many seeds a figure's means are, e.g. "mean over 3–5 seeds"."""
    found = sorted(set(counts)) or [0]
    if found[-1] == 1:
        return "one seed"
    number = str(found[0]) if len(found) == 1 else f"{found[0]}–{found[-1]}"
    return f"mean over {number} seeds"


def color(index: int) -> str:
    """Return the colour of a series; after twelve they repeat."""
    return PALETTE[index % len(PALETTE)]


def dash(index: int) -> Any:
    """Return the line style of a series, for print without colours; after six they repeat."""
    return DASHES[index % len(DASHES)]


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
    """Return rows and columns for so many panels, with as few empty places as can be."""
    rows = math.ceil(panels / most_columns)
    return rows, math.ceil(panels / rows)


def label_classes(axis: Axis, names: Sequence[str], room: float, size: float = 7) -> None:
    """Name the classes at 0, 1, … along an axis, as many of them as so many inches hold.

    Names of three letters or more stand upright.
    """
    short = [shortened(name, 14) for name in names]
    longest = max((len(name) for name in short), default=1)
    upright = longest > 2
    each = 1.25 * size / 72 if upright else (longest + 0.8) * 0.65 * size / 72
    step = max(1, math.ceil(len(names) / max(1, int(room / each))))
    axis.set_ticks(
        range(0, len(names), step), short[::step], rotation=90 if upright else 0, fontsize=size
    )


def legend_columns(names: Sequence[str], width: float) -> int:
    """Return how many columns a legend below a figure of this width can have."""
    longest = max((len(shortened(name)) for name in names), default=1)
    return max(1, int(width / (0.55 + 0.075 * longest)))
