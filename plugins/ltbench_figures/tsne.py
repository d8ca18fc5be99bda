"""Test features on a plane, by class above and by domain below, for several methods."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from ltbench.api import (
    PAGE_WIDTH,
    PALETTE,
    Choices,
    DataError,
    FigureData,
    read_features,
    read_predictions,
    short_names,
)
from ltbench_figures import style as look

MOST_METHODS = 24
_PERPLEXITY = 30
# A map's time grows with its points, and small panels show few of them apart.
_MOST_POINTS = 12_000
_WIDEST_PANEL = 2.4


def draw_tsne(data: FigureData, choices: Choices) -> tuple[Figure, pd.DataFrame]:
    """Draw the t-SNE of the test features of one run of each method.

    van der Maaten & Hinton, Journal of Machine Learning Research 9 (2008) 2579–2605. Distances
    between clusters, and their sizes, mean nothing in such a map.

    With many methods each map has fewer images, drawn at random but the same for all methods; see
    :func:`points_each`. More than twelve classes are coloured by their training images.

    Args:
        data: runs of one table; ``features.npz`` and ``predictions.npz`` are read.
        choices: the seed, which run of each method; by default its first. At most so many points
            a map.

    Returns:
        The figure, and a frame of ``label``, ``seed``, ``image`` (its row in the predictions),
        ``class``, ``train`` (images of this class in all domains), ``domain``, ``x``, ``y``.

    Raises:
        UsageError: there are more methods than a page holds, or no run has this seed.
        DataError: a run's files are missing or do not fit together.
    """
    table = data.table("a map of features")
    facts = table.facts()
    chosen = table.one_of_each("a map of features", choices.seed)
    look.refuse_too_many(len(chosen), MOST_METHODS, "A map")
    most = points_each(len(chosen))
    most = most if choices.points is None else min(most, choices.points)
    maps, totals = [], set()
    for run in chosen.itertuples():
        frame, total = _map(Path(run.path), run.label, run.seed, facts, most)
        maps.append(frame)
        totals.add(total)
    seeds = sorted({int(frame["seed"].iloc[0]) for frame in maps})
    shown = sorted({len(frame) for frame in maps})
    head = (
        f"{look.shortened(table.dataset, 36)}: t-SNE of {_share(shown, sorted(totals))} test "
        f"images, {f'seed {seeds[0]}' if len(seeds) == 1 else 'seed below the name'}"
    )
    figure = _draw_panels(maps, facts, head, name_seeds=len(seeds) > 1)
    return figure, pd.concat(maps).drop(columns=["class_index", "domain_index"])


def points_each(methods: int) -> int:
    """Return how many images each of so many maps may show: 12,000 over all of them."""
    return _MOST_POINTS // methods


def panel_columns(methods: int) -> int:
    """Return the fewest columns with which two panels a method fit on a page."""
    height = look.PAGE_HEIGHT - 1.7
    return next(
        columns
        for columns in itertools.count(1)
        if math.ceil(methods / columns) * 2 * min(_WIDEST_PANEL, PAGE_WIDTH / columns) <= height
    )


def _map(
    folder: Path, label: str, seed: int, facts: dict[str, Any], most: int
) -> tuple[pd.DataFrame, int]:
    """Return the map of a run, and how many test images there are."""
    features, predictions = read_features(folder), read_predictions(folder)
    index = features["index"].astype(np.int64)
    values = features["features"].astype(np.float32)
    if len(index) < 4 or index.min() < 0 or index.max() >= len(predictions["class"]):
        raise DataError(f"{folder}: features.npz does not belong to predictions.npz")
    if len(index) > most:
        # The same rows of every run: those of one data set keep features of the same images.
        rows = np.sort(np.random.default_rng(0).permutation(len(index))[:most])
        index, values = index[rows], values[rows]
    classes, domains = predictions["class"][index], predictions["domain"][index]
    if classes.max() >= len(facts["classes"]) or domains.max() >= len(facts["domains"]):
        raise DataError(f"{folder}: predictions.npz names classes that the data set does not have")
    if not np.isfinite(values).all():
        raise DataError(f"{folder}: features.npz holds values that are not finite")
    perplexity = min(_PERPLEXITY, (len(values) - 1) / 3)
    embedding = TSNE(perplexity=perplexity, init="pca" if values.shape[1] > 1 else "random",
                     random_state=0)  # fmt: skip
    # One thread gives the same map on every machine, and no quarrel over busy cores.
    with threadpool_limits(limits=1):
        places = embedding.fit_transform(values)
    frame = pd.DataFrame(
        {"label": label, "seed": seed, "image": index,
         "class": np.array(facts["classes"], dtype=object)[classes],
         "train": facts["counts"]["train"].sum(axis=0)[classes],
         "domain": np.array(facts["domains"], dtype=object)[domains],
         "class_index": classes, "domain_index": domains, "x": places[:, 0], "y": places[:, 1]}
    )  # fmt: skip
    return frame, len(predictions["class"])


def _draw_panels(
    maps: list[pd.DataFrame], facts: dict[str, Any], head: str, *, name_seeds: bool
) -> Figure:
    columns = panel_columns(len(maps))
    rows = math.ceil(len(maps) / columns)
    panel = min(_WIDEST_PANEL, PAGE_WIDTH / columns)
    width = max(4.2, panel * columns)
    figure = look.new_figure(width, 1.4 + rows * 2 * panel)
    pairs = look.panel_pairs(figure, len(maps), columns)
    scale = _scale(facts) if len(facts["classes"]) > len(PALETTE) else None
    labels = [str(frame["label"].iloc[0]) for frame in maps]
    names = short_names(labels, int((panel - 0.1) / 0.054))
    for i, (frame, (above, below)) in enumerate(zip(maps, pairs, strict=True)):
        after = f"\nseed {frame['seed'].iloc[0]}" if name_seeds else ""
        above.set_title(f"{names[labels[i]]}{after}", fontsize=6.5, pad=3)
        by_class = scale.to_rgba(frame["train"]) if scale else _colors(frame["class_index"])
        size = 5 if panel > 1.5 else 2.5
        _scatter(above, frame, np.asarray(by_class), size)
        _scatter(below, frame, np.asarray(_colors(frame["domain_index"])), size)
        if i % columns == 0:
            above.set_ylabel("by class", fontsize=7)
            below.set_ylabel("by domain", fontsize=7)
    domains = facts["domains"]
    figure.legend(handles=_dots(domains), title="domain", loc="outside lower center",
                  ncols=look.legend_columns(domains, width), fontsize=7)  # fmt: skip
    if scale:
        look.headline(figure, head)
        bar = look.bar_below(figure, scale, "training images of the class")
        bar.set_ticks(list(np.unique(np.geomspace(scale.norm.vmin, scale.norm.vmax, 4).round())))
        look.plain_numbers(bar.ax.xaxis)
        bar.ax.minorticks_off()
    else:
        classes = facts["classes"]
        # The heading is the legend's, as the layout would put one of the figure's on top of it.
        legend = figure.legend(
            handles=_dots(classes), title=f"{look.wrapped(head, width)}\nclass", title_fontsize=9,
            loc="outside upper center", ncols=look.legend_columns(classes, width), fontsize=7,
        )  # fmt: skip
        legend.get_title().set_multialignment("center")
    return figure


def _scatter(axis: Axes, frame: pd.DataFrame, shades: np.ndarray, size: float) -> None:
    # Drawn in a fixed random order, so that no class or domain lies on top of all others.
    order = np.random.default_rng(0).permutation(len(frame))
    x, y = frame["x"].to_numpy()[order], frame["y"].to_numpy()[order]
    axis.scatter(x, y, c=shades[order], s=size, lw=0, rasterized=True)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(visible=False)
    axis.spines[:].set(visible=True, linewidth=0.5, color="#888888")


def _colors(indices: pd.Series) -> list[tuple[float, ...]]:
    return [mpl.colors.to_rgba(look.color(i)) for i in indices]


def _scale(facts: dict[str, Any]) -> Any:
    """Return the scale of many classes, for whose order their training images are a reason."""
    images = facts["counts"]["train"].sum(axis=0)
    low = max(1, images.min())
    norm = mpl.colors.LogNorm(low, max(images.max(), low + 1), clip=True)
    return mpl.cm.ScalarMappable(norm, look.GRADIENT)


def _dots(names: list[str]) -> list[Line2D]:
    short = short_names(names, 18)
    return [
        Line2D([], [], marker="o", ls="", ms=5, color=look.color(i), label=short[name])
        for i, name in enumerate(names)
    ]


def _share(shown: list[int], totals: list[int]) -> str:
    """Return how many images are drawn, and of how many where not of all."""
    drawn, all_ = (f"{n[0]:,}" if len(n) == 1 else f"{n[0]:,}–{n[-1]:,}" for n in (shown, totals))
    return drawn if shown == totals else f"{drawn} of {all_}"
