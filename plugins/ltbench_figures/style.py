"""What the figures share: panels, headings, legends, names that fit, lines and marks."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
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

from ltbench.api import PALETTE, UsageError, short_names, text_width

PAGE_HEIGHT = 9.5
"""Inches; what is drawn of twenty methods fits on one page."""

DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
GRADIENT = "cividis"
LEGEND = 28
"""Letters of the longest name in a legend."""


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


def panels(figure: Figure, number: int, columns: int, **options: Any) -> list[Axes]:
    """Return so many axes in so many columns; the places left over stay empty."""
    grid = _grid(figure, math.ceil(number / columns), columns, **options)
    return _shown(grid.ravel()[:number])


def panel_pairs(
    figure: Figure, number: int, columns: int, **options: Any
) -> list[tuple[Axes, Axes]]:
    """Return so many pairs of axes, one above the other, in so many columns."""
    grid = _grid(figure, 2 * math.ceil(number / columns), columns, **options)
    upper, lower = (_shown(grid[first::2].ravel()[:number]) for first in (0, 1))
    return list(zip(upper, lower, strict=True))


def _grid(figure: Figure, rows: int, columns: int, **options: Any) -> np.ndarray:
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for axis in axes.ravel():
        axis.set_visible(False)
    return axes


def _shown(axes: Iterable[Axes]) -> list[Axes]:
    shown = list(axes)
    for axis in shown:
        axis.set_visible(True)
    return shown


def share_range(axes: Iterable[Axes]) -> None:
    """Give panels, which need not stand side by side, the same range of values.

    Its ends are as far from the marks of all panels as those of one alone would be.
    """
    chosen = list(axes)
    drawn = np.array([axis.dataLim.intervaly for axis in chosen])
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    if not len(drawn):
        return
    low, high = drawn.min(), drawn.max()
    margin = mpl.rcParams["axes.ymargin"] * (high - low) or 0.5
    for axis in chosen:
        axis.set_ylim(low - margin, high + margin)


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


def shortened(name: str, length: int = LEGEND) -> str:
    """Return a name that stands alone, cut to a length; :func:`ltbench.api.short_names` several."""
    return short_names([name], length)[name]


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
    cut = short_names(names, 14)
    short = [cut[name] for name in names]
    longest = max(map(text_width, short), default=1)
    upright = longest > 2
    each = 1.25 * size / 72 if upright else (longest + 0.8) * 0.65 * size / 72
    step = max(1, math.ceil(len(names) / max(1, int(room / each))))
    axis.set_ticks(
        range(0, len(names), step), short[::step], rotation=90 if upright else 0, fontsize=size
    )


def legend_columns(names: Sequence[str], width: float) -> int:
    """Return how many columns a legend below a figure of this width can have."""
    longest = max(map(text_width, short_names(names, LEGEND).values()), default=1)
    return max(1, int(width / (0.55 + 0.075 * longest)))
