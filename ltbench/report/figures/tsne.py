"""Test features on a plane, by class above and by domain below, for several methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ltbench.errors import DataError, UsageError
from ltbench.report.figures.style import (
    GRADIENT,
    PALETTE,
    class_colors,
    color,
    grid_shape,
    legend_columns,
    new_figure,
    shortened,
)
from ltbench.report.selection import Table, done
from ltbench.results.documents import read_data_facts, read_features, read_predictions

MOST_METHODS = 24
_PERPLEXITY = 30


def draw_tsne(table: Table, seed: int | None = None) -> tuple[Figure, pd.DataFrame]:
    """Draw the t-SNE of the test features of one run of each method.

    van der Maaten & Hinton, Journal of Machine Learning Research 9 (2008) 2579–2605. Distances
    between clusters, and their sizes, mean nothing in such a map.

    Args:
        table: the runs; ``features.npz`` and ``predictions.npz`` are read.
        seed: which run of each method; by default its first.

    Returns:
        The figure, and a frame of ``label``, ``seed``, ``image`` (its row in the predictions),
        ``class``, ``domain``, ``x``, ``y``.

    Raises:
        UsageError: there are more methods than a page holds, or no run has this seed.
        DataError: a run's files are missing or do not fit together.
    """
    facts = read_data_facts(table.folder)
    chosen = _choose(table, seed)
    maps = [_map(Path(run.path), run.label, run.seed, facts) for run in chosen.itertuples()]
    rows, columns = grid_shape(len(maps), 5)
    width = max(3.2, 2.1 * columns)
    figure = new_figure(width, 0.9 + rows * 4.1)
    axes = figure.subplots(2 * rows, columns, squeeze=False)
    for axis in axes.ravel():
        axis.set_visible(False)
    shades = class_colors(len(facts["classes"]))
    for i, frame in enumerate(maps):
        above, below = (
            axes[2 * (i // columns), i % columns],
            axes[2 * (i // columns) + 1, i % columns],
        )
        label, run_seed = frame["label"].iloc[0], frame["seed"].iloc[0]
        above.set_title(f"{shortened(label, 22)}, seed {run_seed}", fontsize=8)
        _scatter(above, frame, [shades[c] for c in frame["class_index"]])
        _scatter(below, frame, [color(d) for d in frame["domain_index"]])
        if i % columns == 0:
            above.set_ylabel("by class")
            below.set_ylabel("by domain")
    _legends(figure, facts, width, f"{table.dataset}: t-SNE of test features")
    return figure, pd.concat(maps).drop(columns=["class_index", "domain_index"])


def _choose(table: Table, seed: int | None) -> pd.DataFrame:
    finished = done(table.runs, "a map of features").table.sort_values("seed", kind="stable")
    if seed is not None:
        finished = finished[finished["seed"] == seed]
        if finished.empty:
            raise UsageError(f"No run of {table.dataset} with seed {seed} is done.")
    chosen = finished.drop_duplicates("label")
    order = {label: i for i, label in enumerate(table.labels())}
    if len(chosen) > MOST_METHODS:
        raise UsageError(
            f"A map of {len(chosen)} methods cannot be read: choose at most {MOST_METHODS} "
            "with --algo."
        )
    return chosen.sort_values("label", key=lambda names: names.map(order))


def _map(folder: Path, label: str, seed: int, facts: dict[str, Any]) -> pd.DataFrame:
    features, predictions = read_features(folder), read_predictions(folder)
    index = features["index"].astype(np.int64)
    values = features["features"].astype(np.float32)
    if len(index) < 4 or index.min() < 0 or index.max() >= len(predictions["class"]):
        raise DataError(f"{folder}: features.npz does not belong to predictions.npz")
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
    return pd.DataFrame(
        {"label": label, "seed": seed, "image": index,
         "class": np.array(facts["classes"], dtype=object)[classes],
         "domain": np.array(facts["domains"], dtype=object)[domains],
         "class_index": classes, "domain_index": domains, "x": places[:, 0], "y": places[:, 1]}
    )  # fmt: skip


def _scatter(axis: Axes, frame: pd.DataFrame, shades: list[Any]) -> None:
    axis.set_visible(True)
    # Drawn in a fixed random order, so that no class or domain lies on top of all others.
    order = np.random.default_rng(0).permutation(len(frame))
    x, y = frame["x"].to_numpy()[order], frame["y"].to_numpy()[order]
    axis.scatter(x, y, c=[shades[i] for i in order], s=3, lw=0, rasterized=True)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(visible=False)


def _legends(figure: Figure, facts: dict[str, Any], width: float, title: str) -> None:
    def dots(names: list[str], shades: list[Any]) -> list[Line2D]:
        return [
            Line2D([], [], marker="o", ls="", color=shade, label=shortened(name, 18))
            for name, shade in zip(names, shades, strict=True)
        ]

    domains = facts["domains"]
    figure.legend(
        handles=dots(domains, [color(d) for d in range(len(domains))]), title="domain",
        loc="outside lower center", ncols=legend_columns(domains, width), fontsize=7,
    )  # fmt: skip
    classes = facts["classes"]
    if len(classes) <= len(PALETTE):
        figure.legend(
            handles=dots(classes, class_colors(len(classes))), title=title, title_fontsize=9,
            loc="outside upper center", ncols=legend_columns(classes, width), fontsize=7,
        )  # fmt: skip
        return
    figure.suptitle(title, fontsize=9)
    scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, len(classes) - 1), GRADIENT)
    figure.colorbar(scale, ax=figure.axes, label="class, by index", shrink=0.5, aspect=40)
