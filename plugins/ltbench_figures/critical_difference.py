"""Mean ranks across data sets on a line, methods that do not differ joined by bars."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ltbench.api import PAGE_WIDTH, Choices, FigureData, UsageError, short_names
from ltbench_figures import style as look

_LINE = 0.24
_SCALE = 2.9
_TOP, _BOTTOM = 0.75, 0.25


def draw_critical_difference(data: FigureData, choices: Choices) -> tuple[Figure, pd.DataFrame]:
    """Draw mean ranks across data sets, bars joining methods between which no difference is shown.

    Demšar's diagram (Journal of Machine Learning Research 7 (2006) 1–30, section 3.2.4).

    Args:
        data: runs of three data sets or more.
        choices: the score says which metric ranks.

    Returns:
        The figure, and a frame of ``method``, ``mean_rank``, ``critical_difference`` and the rank
        on each data set.

    Raises:
        UsageError: no run has the metric, or there are too few data sets or methods; the message
            says what is missing.
    """
    summary = data.across_datasets(choices.score)
    if summary is None:
        raise UsageError(
            "A critical-difference diagram ranks methods across data sets, and the runs are of "
            "one: run the same methods on two more."
        )
    result = summary.result
    if result.reason:
        raise UsageError(f"No critical-difference diagram can be drawn: {result.reason}.")
    means, distance = result.mean_ranks, result.critical_difference
    bars = unbroken(means.to_numpy(), distance)
    k, half = len(means), -(-len(means) // 2)
    depth = _LINE * (half + 0.7 * len(bars)) + _BOTTOM
    figure = look.new_figure(PAGE_WIDTH, depth + _TOP + 0.45)
    axis = figure.subplots()
    axis.set_axis_off()
    axis.set_ylim(-depth, _TOP)
    # The scale takes the middle of the page, and the names have the rest on both sides.
    inch = (k - 1) / _SCALE
    margin = inch * (PAGE_WIDTH - _SCALE) / 2
    axis.set_xlim(1 - margin, k + margin)
    _draw_scale(axis, k, distance)
    top = -0.16 - 0.7 * _LINE * len(bars)
    names = short_names(map(str, means.index), 24)
    for i, (name, rank) in enumerate(means.items()):
        left = i < half
        y = top - _LINE * ((i if left else k - 1 - i) + 0.6)
        x = 1 - 0.12 * inch if left else k + 0.12 * inch
        axis.plot([rank, rank, x], [0, y, y], color="#555555", lw=0.8)
        text = f"{names[str(name)]} ({rank:.2f})"
        axis.text(x, y, f"{text} " if left else f" {text}", ha="right" if left else "left",
                  va="center", fontsize=7.5)  # fmt: skip
    for i, (start, stop) in enumerate(bars):
        y = -0.16 - 0.7 * _LINE * i
        ends = [means.iloc[start] - 0.03 * inch, means.iloc[stop] + 0.03 * inch]
        axis.plot(ends, [y, y], color="black", lw=3, solid_capstyle="butt")
    missing = f"; {len(result.incomplete)} methods lack a score" if result.incomplete else ""
    look.headline(
        figure,
        f"Mean ranks (1 is best) on {summary.metric.words}, {len(summary.datasets)} data "
        f"sets{missing}; between joined methods no difference is shown (Nemenyi, 5 %)",
    )
    frame = result.ranks.loc[means.index].rename_axis("method").reset_index()
    frame.insert(1, "mean_rank", means.to_numpy())
    frame.insert(2, "critical_difference", distance)
    return figure, frame


def unbroken(means: np.ndarray, distance: float) -> list[tuple[int, int]]:
    """Return the longest stretches (first, last) of sorted mean ranks that span less than this."""
    stretches: list[tuple[int, int]] = []
    for first, value in enumerate(means):
        last = int(np.searchsorted(means, value + distance, side="right")) - 1
        if last > first and (not stretches or last > stretches[-1][1]):
            stretches.append((first, last))
    return stretches


def _draw_scale(axis: Axes, methods: int, distance: float) -> None:
    axis.plot([1, methods], [0, 0], color="black", lw=1)
    step = max(1, methods // 10)
    # The last rank is always named, one too close before it is not.
    named = [rank for rank in range(1, methods, step) if methods - rank > step / 2]
    for rank in [*named, methods]:
        axis.plot([rank, rank], [0, 0.07], color="black", lw=1)
        axis.text(rank, 0.1, str(rank), ha="center", va="bottom", fontsize=8)
    # A distance that is longer than the scale is drawn over all of it and says so.
    reach = min(distance, methods - 1)
    axis.plot([1, 1 + reach], [0.45, 0.45], color="black", lw=1)
    for end in (1, 1 + reach):
        axis.plot([end, end], [0.4, 0.5], color="black", lw=1)
    beyond = ": more than the scale, no two can differ" if distance >= methods - 1 else ""
    axis.text(1, 0.53, f"critical difference {distance:.2f}{beyond}", va="bottom", fontsize=8)
