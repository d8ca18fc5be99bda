"""Average and worst scores over seeds: where each method's runs lie."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import gaussian_kde

from ltbench.api import (
    PAGE_WIDTH,
    PALETTE,
    Choices,
    FigureData,
    Table,
    short_names,
)
from ltbench_figures import style as look

_PARTS = (
    ("average", PALETTE[0], look.MARKERS[0], -0.2),
    ("worst", PALETTE[1], look.MARKERS[2], 0.2),
)
_FEWEST = 3


def draw_violin(data: FigureData, choices: Choices) -> tuple[Figure, pd.DataFrame]:
    """Draw average and worst scores of every method, the best average on top.

    Every run is a point. A violin needs three seeds that do not all agree; below that there are
    only points. Methods stand below each other, where their names need no turning.

    Args:
        data: runs of one table.
        choices: the base says which score.

    Returns:
        The figure, and a frame of ``label``, ``seed``, ``metric``, ``value``.

    Raises:
        UsageError: no run has a result.
    """
    table = data.table("a violin plot").done("a violin plot")
    names = [f"{choices.base}_{part}" for part, *_ in _PARTS]
    frame = table.long_scores(names).dropna(subset=["value"]).reset_index(drop=True)
    means = frame[frame["metric"] == names[0]].groupby("label")["value"].mean()
    order = list(means.sort_values(ascending=False).index)
    each = float(np.clip(8.4 / max(len(order), 1), 0.22, 0.45))
    figure = look.new_figure(PAGE_WIDTH, 1.1 + each * len(order))
    axis = figure.subplots()
    handles = []
    for name, (_, shade, marker, offset) in zip(names, _PARTS, strict=True):
        part = frame[frame["metric"] == name]
        for place, label in enumerate(order):
            values = 100 * part["value"][part["label"] == label].to_numpy()
            _draw_scores(axis, values, place + offset, shade, marker)
        handles += axis.plot([], [], marker, color=shade, ms=5, label=table.metric(name).words)
    seeds = frame.groupby("label")["seed"].nunique().reindex(order)
    axis.set_yticks(range(len(order)), _names(seeds))
    axis.set_ylim(len(order) - 0.5, -0.5)
    for between in range(1, len(order)):
        axis.axhline(between - 0.5, color="#dddddd", lw=0.6, zorder=0.5)
    axis.set_xlabel(f"{table.metric(names[0]).measure}, %")
    axis.grid(axis="y", visible=False)
    axis.tick_params(axis="y", length=0)
    figure.legend(handles=handles, loc="outside upper right", ncols=2)
    axis.set_title(_caption(table, seeds), fontsize=9, loc="left")
    return figure, frame


def _draw_scores(axis: Axes, scores: np.ndarray, at: float, shade: str, marker: str) -> None:
    if len(scores) >= _FEWEST and np.ptp(scores) > 1e-9:
        # Cut at the least and the greatest score: nothing is known beyond them.
        places = np.linspace(scores.min(), scores.max(), 80)
        density = gaussian_kde(scores)(places)
        half = 0.18 * density / density.max()
        axis.fill_between(places, at - half, at + half, color=shade, alpha=0.3, lw=0.5)
    # Points are spread by seed, so that equal scores stay visible.
    spread = np.linspace(-0.07, 0.07, len(scores)) if len(scores) > 1 else np.zeros(len(scores))
    size = 3.4 if len(scores) > 1 else 5
    axis.plot(scores, at + spread, marker, color=shade, ms=size, mec="white", mew=0.3)
    if len(scores) > 1:
        axis.vlines(scores.mean(), at - 0.17, at + 0.17, color=shade, lw=1.8)


def _names(seeds: pd.Series) -> list[str]:
    """Return the methods' names, with their seeds where they have differently many."""
    same = seeds.nunique() < 2
    short = short_names(map(str, seeds.index), look.LEGEND)
    return [short[str(n)] if same else f"{short[str(n)]} ({int(k)})" for n, k in seeds.items()]


def _caption(table: Table, seeds: pd.Series) -> str:
    name = look.shortened(table.dataset, 36)
    if seeds.empty:
        return name
    if seeds.max() == 1:
        return f"{name}: one seed a method, so no spread is known"
    number = f"{int(seeds.iloc[0])} " if seeds.nunique() == 1 else ""
    where = "" if number else " (their number after the name)"
    shapes = "; shapes: their density" if seeds.max() >= _FEWEST else ""
    return f"{name}: points: {number}seeds{where}; bars: means{shapes}"
