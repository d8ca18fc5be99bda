"""Domain × class scores: which pairs are hard."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ltbench.api import (
    PAGE_WIDTH,
    Choices,
    FigureData,
    f1,
    read_confusion,
    recall,
    short_names,
)
from ltbench_figures import style as look

FloatArray = NDArray[np.float64]

SCORES = {"macro_f1": f1, "accuracy": recall}
MOST_METHODS = 24
MOST_DOMAINS = 60  # rows whose names can be read


def draw_heatmap(data: FigureData, choices: Choices) -> tuple[Figure, pd.DataFrame]:
    """Draw the F1 or accuracy of every domain-class pair, the mean over seeds, a panel a method.

    Args:
        data: runs of one table; their confusion matrices are read.
        choices: the base, ``macro_f1`` for F1, ``accuracy`` for the accuracy of each class.

    Returns:
        The figure, and a frame of ``label``, ``seeds``, ``domain``, ``class``, ``value`` (0…1,
        missing where the pair has no test image). Of more domains than a page holds, the figure
        shows those with most test images, and the frame all.

    Raises:
        UsageError: there are more methods than a page holds.
        DataError: a run's matrices do not fit the data set.
    """
    table, base = data.table("a heat map"), choices.base
    facts = table.facts()
    domains, classes = facts["tested"], facts["classes"]
    images = np.asarray(facts["counts"]["test"]).sum(axis=1)
    finished = table.done("a heat map").runs.table
    labels = [name for name in table.labels() if (finished["label"] == name).any()]
    look.refuse_too_many(len(labels), MOST_METHODS, "A heat map")
    values = {
        label: _mean_scores(
            list(finished["path"][finished["label"] == label]), domains, len(classes), base
        )
        for label in labels
    }
    seeds = finished["label"].value_counts()
    name = "F1" if base == "macro_f1" else "accuracy"
    shown = np.sort(np.argsort(-images[images > 0], kind="stable")[:MOST_DOMAINS])
    drawn = {label: panel[shown] for label, panel in values.items()}
    figure = _draw_panels(drawn, [domains[d] for d in shown], classes, name)
    gaps = any(np.isnan(panel).any() for panel in drawn.values())
    some = f"class, of the {len(shown)} of {len(domains)} domains with most test images "
    what = "domain and class " if len(shown) == len(domains) else some
    look.headline(
        figure,
        f"{name} of each {what}"
        f"({look.over_seeds(seeds)}{'; hatched: no test image' if gaps else ''})",
        table.dataset,
    )
    rows = [
        {"label": label, "seeds": seeds[label], "domain": domain, "class": class_,
         "value": values[label][d, c]}
        for label in labels
        for d, domain in enumerate(domains)
        for c, class_ in enumerate(classes)
    ]  # fmt: skip
    return figure, pd.DataFrame(rows)


def _draw_panels(
    values: dict[str, FloatArray], domains: list[str], classes: list[str], name: str
) -> Figure:
    """Draw a panel for each method, so that the most there may be fit on one page."""
    rows, columns = _shape(len(values), len(classes))
    width = PAGE_WIDTH if columns > 1 or len(classes) > 20 else 5.0
    # As flat as the letters of the domains' names allow, where there are many rows.
    cell = float(np.clip((7.6 / rows - 0.26) / len(domains), 0.09, 0.24))
    figure = look.new_figure(width, 1.7 + rows * (0.26 + cell * len(domains)))
    axes = look.panels(figure, len(values), columns, sharey=True)
    palette = mpl.colormaps[look.GRADIENT].with_extremes(bad=(0, 0, 0, 0))
    titles, places = short_names(values, 34), short_names(domains, 16)
    numbers = len(classes) <= 12 and len(values) <= 8
    for i, (axis, (label, panel)) in enumerate(zip(axes, values.items(), strict=True)):
        image = axis.imshow(100 * panel, cmap=palette, vmin=0, vmax=100, aspect="auto")
        if np.isnan(panel).any():
            axis.patch.set(hatch="//////", facecolor="white", edgecolor="#888888", lw=0)
        axis.set_title(titles[label], fontsize=7, pad=2)
        names = [places[name] for name in domains]
        axis.set_yticks(range(len(domains)), names, fontsize=min(7.0, 72 * cell * 0.9))
        axis.tick_params(length=2)
        lowest = i + columns >= len(values)
        look.label_classes(axis.xaxis, classes if lowest else [], width / columns - 0.6, 6.5)
        axis.set_xlabel("class" if lowest else "", fontsize=7, labelpad=1)
        axis.grid(visible=False)
        if numbers:
            _write_numbers(axis, 100 * panel)
    look.bar_below(figure, image, f"{name}, %")
    return figure


def _shape(methods: int, classes: int) -> tuple[int, int]:
    """Return rows and columns of panels: as wide as the classes need, as many as a page holds."""
    if methods == 1 or (classes > 30 and methods <= 4):
        return methods, 1
    return look.grid_shape(methods, 2 if classes > 30 or methods <= 8 else 3)


def _mean_scores(paths: list[str], domains: list[str], classes: int, base: str) -> FloatArray:
    """Return the mean over runs, (domains, classes); the test set and its gaps are the same."""
    matrices = [read_confusion(Path(path), domains, classes) for path in paths]
    return np.mean([SCORES[base](matrix) for matrix in matrices], axis=0)


def _write_numbers(axis: mpl.axes.Axes, values: FloatArray) -> None:
    for (d, c), value in np.ndenumerate(values):
        if not np.isnan(value):
            # At 47 % of the gradient white and black letters have the same contrast.
            shade = "white" if value < 47 else "black"
            axis.text(c, d, f"{value:.0f}", ha="center", va="center", fontsize=7, color=shade)
