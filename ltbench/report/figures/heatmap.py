"""Domain × class scores: which pairs are hard."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ltbench.errors import UsageError
from ltbench.report.figures.style import GRADIENT, new_figure, shortened, tick_step
from ltbench.report.selection import Table, done
from ltbench.results.documents import read_confusion, read_data_facts
from ltbench.stats.classification import f1, recall
from ltbench.stats.groups import FloatArray

SCORES = {"macro_f1": f1, "accuracy": recall}
MOST_METHODS = 24


def draw_heatmap(table: Table, base: str = "macro_f1") -> tuple[Figure, pd.DataFrame]:
    """Draw the F1 or accuracy of every domain-class pair, the mean over seeds, a panel a method.

    Args:
        table: the runs; their confusion matrices are read.
        base: ``macro_f1`` for F1, ``accuracy`` for the accuracy of each class.

    Returns:
        The figure, and a frame of ``label``, ``domain``, ``class``, ``value`` (0…1, missing where
        the pair has no test image).

    Raises:
        UsageError: there are more methods than a page holds.
        DataError: a run's matrices do not fit the data set.
    """
    facts = read_data_facts(table.folder)
    domains, classes = facts["domains"], facts["classes"]
    finished = done(table.runs, "a heat map").table
    labels = [name for name in table.labels() if (finished["label"] == name).any()]
    if len(labels) > MOST_METHODS:
        raise UsageError(
            f"A heat map of {len(labels)} methods cannot be read: choose at most {MOST_METHODS} "
            "with --algo."
        )
    values = {
        label: _mean_scores(list(finished["path"][finished["label"] == label]), facts, base)
        for label in labels
    }
    columns = 1 if len(labels) == 1 or len(classes) > 30 else 2 if len(labels) < 9 else 3
    rows = -(-len(labels) // columns)
    width = columns * min(1.3 + 0.3 * len(classes), 9.5)
    figure = new_figure(width, 1.3 + rows * (0.45 + 0.27 * len(domains)))
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    palette = mpl.colormaps[GRADIENT].with_extremes(bad="#e6e6e6")
    image = None
    for axis, label in zip(axes, labels, strict=False):
        image = axis.imshow(100 * values[label], cmap=palette, vmin=0, vmax=100, aspect="auto")
        axis.set_title(shortened(label, 40), fontsize=9)
        axis.set_yticks(range(len(domains)), [shortened(n, 16) for n in domains])
        step = tick_step(len(classes), 33)
        ticks = [shortened(n, 14) for n in classes[::step]]
        axis.set_xticks(range(0, len(classes), step), ticks, rotation=90, fontsize=7)
        axis.grid(visible=False)
        if len(classes) <= 12 and len(labels) <= 8:
            _write_numbers(axis, 100 * values[label])
    for axis in axes[len(labels) :]:
        axis.set_visible(False)
    name = "F1" if base == "macro_f1" else "accuracy"
    if image is not None:
        figure.colorbar(image, ax=list(axes), label=f"{name}, %", shrink=0.9, aspect=30)
    figure.suptitle(
        f"{table.dataset}: {name} of each domain and class (mean over seeds)", fontsize=9
    )
    rows_ = [
        {"label": label, "domain": domain, "class": name_, "value": values[label][d, c]}
        for label in labels
        for d, domain in enumerate(domains)
        for c, name_ in enumerate(classes)
    ]
    return figure, pd.DataFrame(rows_)


def _mean_scores(paths: list[str], facts: dict[str, list[str]], base: str) -> FloatArray:
    """Return the mean over runs, (domains, classes); the test set and its gaps are the same."""
    matrices = [
        read_confusion(Path(path), facts["domains"], len(facts["classes"])) for path in paths
    ]
    return np.mean([SCORES[base](matrix) for matrix in matrices], axis=0)


def _write_numbers(axis: mpl.axes.Axes, values: FloatArray) -> None:
    for (d, c), value in np.ndenumerate(values):
        if not np.isnan(value):
            shade = "white" if value < 55 else "black"
            axis.text(c, d, f"{value:.0f}", ha="center", va="center", fontsize=7, color=shade)
