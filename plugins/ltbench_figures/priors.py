"""Accuracy of every method when the test images' classes are as imbalanced as training, or against.

The shifted test sets of Hong et al. (LADE, CVPR 2021, arXiv 2012.00321), at the ratios that Zhang
et al. (SADE, NeurIPS 2022, arXiv 2107.09249) report; no image is drawn, accuracies are weighted.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ltbench.api import (
    PAGE_WIDTH,
    Choices,
    DataError,
    FigureData,
    half_width,
    prior_accuracies,
    short_names,
)
from ltbench_figures import style as look

RATIOS = (2, 5, 10, 25, 50)
MOST_METHODS = 20
FEWEST_SEEDS = 3
"""Intervals over two seeds would cover everything."""
MOST_BANDS = 4
"""Methods; the intervals of more would hide one another, and are in the CSV alone."""
_ENDS = {"1:50": "backward", "1:1": "uniform", "50:1": "forward"}


def draw_priors(data: FigureData, choices: Choices) -> tuple[Figure, pd.DataFrame]:
    """Draw the accuracy of every method against the ratio of largest to smallest class.

    Args:
        data: runs of one table.
        choices: none is looked at.

    Returns:
        The figure, and a row for each method and distribution: ``method``, ``prior``, ``ratio``
        (that of the class with most training images to that with fewest), ``seeds``, ``accuracy``
        and ``half_width`` (of the 95 % t-interval over seeds), in 0…1.

    Raises:
        UsageError: the runs belong to several tables, none is done, or there are too many methods.
        DataError: no run tells accuracies, or a class has no test image.
    """
    table = data.table("this figure").done("this figure")
    labels = table.labels()
    look.refuse_too_many(len(labels), MOST_METHODS, "Curves")
    ratios = {f"backward-{r}": 1 / r for r in reversed(RATIOS)} | {"uniform": 1.0}
    ratios |= {f"forward-{r}": float(r) for r in RATIOS}
    found = prior_accuracies(table, list(ratios)).dropna(subset=["accuracy"])
    if found.empty:
        raise DataError(f"{table.dataset}: a class has no test image, so no accuracy is known")
    frame = _over_seeds(found, labels, ratios)
    figure = _draw(frame, [label for label in labels if label in set(frame["method"])])
    curves = _curves(frame)
    banded = len(curves) <= MOST_BANDS and any(map(_has_band, curves))
    shaded = ", shaded: 95 % over seeds" if banded else ""
    words = f"accuracy under other class distributions, {look.over_seeds(frame['seeds'])}{shaded}"
    look.headline(figure, words, table.dataset)
    return figure, frame


def _over_seeds(found: pd.DataFrame, labels: list[str], ratios: dict[str, float]) -> pd.DataFrame:
    groups = dict(iter(found.groupby(["label", "prior"])["accuracy"]))
    lines = [
        {
            "method": label,
            "prior": prior,
            "ratio": ratio,
            "seeds": len(groups[label, prior]),
            "accuracy": groups[label, prior].mean(),
            "half_width": half_width(groups[label, prior].to_numpy(dtype=float)),
        }
        for label in labels
        for prior, ratio in ratios.items()
        if (label, prior) in groups
    ]
    return pd.DataFrame(lines)


def _curves(frame: pd.DataFrame) -> list[pd.DataFrame]:
    return [curve for _, curve in frame.groupby("method", sort=False)]


def _draw(frame: pd.DataFrame, labels: list[str]) -> Figure:
    columns = look.legend_columns(labels, PAGE_WIDTH)
    figure = look.new_figure(PAGE_WIDTH, 3.3 + 0.17 * len(labels) / columns)
    axis = figure.subplots()
    curves = _curves(frame)
    handles = [_line(axis, curve, i) for i, curve in enumerate(curves)]
    look.share_range([axis])
    if len(curves) <= MOST_BANDS:
        for i, curve in enumerate(curves):
            _band(axis, curve, i)
    axis.axvline(1, color="0.6", lw=0.9, zorder=0)
    axis.set_xscale("log")
    axis.set_xlim(1 / RATIOS[-1] / 1.1, RATIOS[-1] * 1.1)
    ticks = {1 / r: f"1:{r}" for r in reversed(RATIOS)} | {1: "1:1"} | {r: f"{r}:1" for r in RATIOS}
    # Two lines below every tick, so that the first ones stand on one line.
    words = [f"{ratio}\n{_ENDS.get(ratio, ' ')}" for ratio in ticks.values()]
    axis.set_xticks(list(ticks), words)
    axis.set_xticks([], minor=True)
    axis.set_xlabel("test images of the class with most training images : of that with fewest")
    axis.set_ylabel("accuracy, %")
    names = list(short_names(labels, look.LEGEND).values())
    figure.legend(handles, names, loc="outside lower center", ncols=columns, handlelength=3.2)
    return figure


def _line(axis: Axes, curve: pd.DataFrame, i: int) -> Line2D:
    marker = look.MARKERS[i % len(look.MARKERS)]
    look_of_it = {"color": look.color(i), "ls": look.dash(i), "marker": marker}
    (line,) = axis.plot(curve["ratio"], 100 * curve["accuracy"], ms=3.5, lw=1.3, **look_of_it)
    return line


def _has_band(curve: pd.DataFrame) -> bool:
    return bool((curve["seeds"] >= FEWEST_SEEDS).all() and curve["half_width"].gt(0).any())


def _band(axis: Axes, curve: pd.DataFrame, i: int) -> None:
    """Shade the interval over seeds, for as much of it as the curves leave room."""
    if _has_band(curve):
        mean, half = 100 * curve["accuracy"], 100 * curve["half_width"]
        low, high = axis.get_ylim()
        ends = (mean - half).clip(low, high), (mean + half).clip(low, high)
        axis.fill_between(curve["ratio"], *ends, color=look.color(i), alpha=0.1, lw=0)
        axis.set_ylim(low, high)
