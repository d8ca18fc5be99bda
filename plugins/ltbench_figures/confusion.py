"""Which classes are taken for which: a confusion matrix whose confused classes stand together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ltbench.api import (
    PAGE_WIDTH,
    Choices,
    FigureData,
    Table,
    UsageError,
    read_confusion,
    short_names,
    suggestion,
    text_width,
)
from ltbench_figures import style as look
from ltbench_figures.seriation import FloatArray, Seriation, seriation, shares_of

IntArray = NDArray[np.int64]

MOST_CLASSES = 3000
"""The order of more takes gigabytes, and none of their cells could be seen."""
_MOST_WITH_SHARES = 14
_MOST_WITH_COUNTS = 30
_MOST_NAMED = 80
_GROUPS = 24


def draw_confusion(data: FigureData, choices: Choices) -> tuple[Figure, pd.DataFrame]:
    """Draw how often each class is taken for each, over all domains or in one.

    Rows are true classes and colours shares of their test images. Classes that are confused stand
    together (:func:`~ltbench_figures.seriation.seriation`). Up to fourteen classes have shares and
    counts written into the cells, up to thirty counts, up to eighty have their names beside them;
    more are in numbered groups.

    Args:
        data: the runs of one method; their seeds are added up.
        choices: ``domain``, one of the tested ones, and ``seed``, one run.

    Returns:
        The figure, and a frame of ``place`` (of the row, from 0), ``class``, ``prediction``,
        ``images`` and ``share`` of the class's images (0…1), without cells of no image.

    Raises:
        UsageError: the runs are of several methods, there is no such domain, or too many classes.
        DataError: a run's matrices do not fit the data set.
    """
    table = data.table("a confusion matrix").done("a confusion matrix")
    runs = _runs_of_one(table, choices.seed)
    facts = table.facts()
    tested, classes = facts["tested"], facts["classes"]
    if len(classes) > MOST_CLASSES:
        raise UsageError(
            f"A confusion matrix shows up to {MOST_CLASSES:,} classes, and {table.dataset} has "
            f"{len(classes):,}."
        )
    counts = _counts(runs, tested, len(classes), choices.domain)
    found, shares = seriation(counts), shares_of(counts)
    figure = _drawn(counts, shares, found, classes)
    seeds = len(runs)
    which = f"seed {runs['seed'].iloc[0]}" if seeds == 1 else f"{seeds} seeds added up"
    within = f" in {look.shortened(choices.domain)}" if choices.domain else ""
    label = look.shortened(str(runs["label"].iloc[0]))
    words = f"{label}, {which}: {int(counts.sum()):,} answers{within}"
    look.headline(figure, words, table.dataset)
    return figure, _frame(counts, shares, found, classes)


def _runs_of_one(table: Table, seed: int | None) -> pd.DataFrame:
    """Return the runs of the one method.

    Raises:
        UsageError: there are several, or none has this seed.
    """
    chosen = table.one_of_each("a confusion matrix", seed)
    if len(chosen) > 1:
        raise UsageError(
            f"The runs are of {len(chosen)} methods and a confusion matrix shows one: choose with "
            f"--algo among {', '.join(chosen['label'][:8])}."
        )
    return table.runs.table if seed is None else chosen


def _counts(runs: pd.DataFrame, tested: list[str], classes: int, domain: str | None) -> IntArray:
    """Return images by true class and answer, of one domain or of all.

    Raises:
        UsageError: there is no such domain.
        DataError: a run's matrices do not fit.
    """
    if domain is not None and domain not in tested:
        raise UsageError(
            f"No test image is of the domain '{domain}', only of {', '.join(tested)}"
            f"{suggestion(domain, tested)}"
        )
    wanted = tested if domain is None else [domain]
    found = [read_confusion(Path(path), wanted, classes).sum(axis=0) for path in runs["path"]]
    total: IntArray = np.sum(found, axis=0)
    return total


def _frame(
    counts: IntArray, shares: FloatArray, found: Seriation, classes: list[str]
) -> pd.DataFrame:
    ordered = counts[np.ix_(found.order, found.order)]
    rows, columns = np.nonzero(ordered)
    y, guess = found.order[rows], found.order[columns]
    names = np.asarray(classes, dtype=object)
    return pd.DataFrame(
        {
            "place": rows,
            "class": names[y],
            "prediction": names[guess],
            "images": counts[y, guess],
            "share": shares[y, guess],
        }
    )


def _drawn(counts: IntArray, shares: FloatArray, found: Seriation, classes: list[str]) -> Figure:
    number = len(classes)
    grouped = number > _MOST_NAMED
    figure = look.new_figure(PAGE_WIDTH, PAGE_WIDTH + (-0.35 if grouped else 0.9))
    axes = figure.subplots()
    square = np.ix_(found.order, found.order)
    palette = mpl.colormaps[look.GRADIENT].with_extremes(bad=(0, 0, 0, 0))
    image = axes.imshow(
        100 * shares[square], cmap=palette, norm=_norm(shares, number), interpolation="nearest"
    )
    if np.isnan(shares).any():
        axes.patch.set(hatch="//////", facecolor="white", edgecolor="#888888", lw=0)
    axes.grid(visible=False)
    axes.set_ylabel("true class")
    if grouped:
        axes.set_xlabel("taken for (groups as at the left)")
        _mark_groups(axes, found, classes)
    else:
        axes.set_xlabel("taken for")
        _name_classes(axes, [classes[c] for c in found.order])
        if number <= _MOST_WITH_COUNTS:
            _write_numbers(axes, counts[square], 100 * shares[square])
    gaps = "; hatched: no test image" if np.isnan(shares).any() else ""
    bar = look.bar_below(figure, image, f"of the class's test images, %{gaps}")
    bar.formatter = mpl.ticker.StrMethodFormatter("{x:g}")
    bar.update_ticks()
    return figure


def _norm(shares: FloatArray, number: int) -> Any:
    """Return the scale of colours: of many classes small shares are seen, as few are large."""
    if number <= _MOST_WITH_COUNTS:
        return mpl.colors.Normalize(0, 100)
    return mpl.colors.PowerNorm(0.4, 0, 100)


def _name_classes(axes: Axes, names: list[str]) -> None:
    size = 7.0 if len(names) <= 40 else 5.0
    short = short_names(names, 16)
    texts = [short[name] for name in names]
    upright = max(map(text_width, texts)) > (4 if len(names) <= 14 else 2)
    axes.set_yticks(range(len(names)), texts, fontsize=size)
    axes.set_xticks(range(len(names)), texts, fontsize=size, rotation=90 if upright else 0)
    axes.tick_params(length=2)


def _mark_groups(axes: Axes, found: Seriation, classes: list[str]) -> None:
    """Draw lines between groups of neighbours, each with a number and the names of two classes."""
    number = len(classes)
    groups = found.groups(_GROUPS, max(2, number // 40))
    ends = np.cumsum([len(group) for group in groups])
    middles = ends - np.array([len(group) for group in groups]) / 2 - 0.5
    for end in ends[:-1]:
        for line in (axes.axhline, axes.axvline):
            line(end - 0.5, color="white", linewidth=0.5, alpha=0.7)
    short = short_names(classes, 11)
    texts = []
    for i, group in enumerate(groups):
        ends_of = (group[0], group[-1]) if len(group) > 1 else (group[0],)
        named = " … ".join(short[classes[c]] for c in ends_of)
        texts.append(f"{named} ({len(group)})  {i + 1}")
    axes.set_yticks(middles, texts, fontsize=5.5)
    axes.set_xticks(middles, [str(i + 1) for i in range(len(groups))], fontsize=6)
    axes.tick_params(length=2)


def _write_numbers(axes: Axes, counts: IntArray, percent: FloatArray) -> None:
    number = len(counts)
    both = number <= _MOST_WITH_SHARES
    size = min(8.0, 90 / number) if both else min(6.0, 150 / number)
    for (row, column), count in np.ndenumerate(counts):
        if not count:
            continue
        value = percent[row, column]
        text = f"{value:.0f} %\n{count:,}" if both else f"{count:,}"
        # At 47 % of the gradient white and black letters have the same contrast.
        shade = "white" if value < 47 else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color=shade)
