"""Accuracy of every method when the test images' classes are as imbalanced as training, or against.

The shifted test sets of Hong et al. (LADE, CVPR 2021, arXiv 2012.00321), at the ratios that Zhang
et al. (SADE, NeurIPS 2022, arXiv 2107.09249) report; no image is drawn, accuracies are weighted.
"""

from __future__ import annotations

import numpy as np
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
    shaded = ", shaded: 95 % over seeds" if frame["half_width"].gt(0).any() else ""
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


def _draw(frame: pd.DataFrame, labels: list[str]) -> Figure:
    columns = look.legend_columns(labels, PAGE_WIDTH)
    figure = look.new_figure(PAGE_WIDTH, 3.3 + 0.17 * len(labels) / columns)
    axis = figure.subplots()
    handles = [_curve(axis, frame[frame["method"] == label], i) for i, label in enumerate(labels)]
    axis.axvline(1, color="0.75", lw=0.8, zorder=0)
    axis.set_xscale("log")
    axis.set_xlim(1 / RATIOS[-1] / 1.1, RATIOS[-1] * 1.1)
    ticks = [*(1 / r for r in reversed(RATIOS)), 1, *RATIOS]
    axis.set_xticks(ticks, [*(f"1:{r}" for r in reversed(RATIOS)), "1:1",
                            *(f"{r}:1" for r in RATIOS)], minor=False)  # fmt: skip
    axis.set_xticks([], minor=True)
    axis.set_xlabel(
        "test images of the class with most training images : of that with fewest\n"
        "\u2190 backward, against training        uniform        forward, as in training \u2192"
    )
    axis.set_ylabel("accuracy (%)")
    names = list(short_names(labels, look.LEGEND).values())
    figure.legend(handles, names, loc="outside lower center", ncols=columns, handlelength=3.2)
    return figure


def _curve(axis: Axes, curve: pd.DataFrame, i: int) -> Line2D:
    at, mean, half = (
        curve[name].to_numpy(dtype=float) for name in ("ratio", "accuracy", "half_width")
    )
    line = axis.plot(at, 100 * mean, color=look.color(i), ls=look.dash(i),
                     marker=look.MARKERS[i % len(look.MARKERS)], ms=3.5, lw=1.3)[0]  # fmt: skip
    if np.nan_to_num(half).any():
        low, high = np.clip(mean - half, 0, 1), np.clip(mean + half, 0, 1)
        axis.fill_between(at, 100 * low, 100 * high, color=look.color(i), alpha=0.1, lw=0)
    return line
