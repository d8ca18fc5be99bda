"""The domain-class graph: how far apart the pairs' centroids lie, on a map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import smacof

from ltbench.errors import DataError, UsageError
from ltbench.report.figures.style import (
    GRADIENT,
    MARKERS,
    PALETTE,
    class_colors,
    legend_columns,
    new_figure,
    shortened,
)
from ltbench.report.selection import Table, done
from ltbench.results.documents import read_data_facts, read_features
from ltbench.stats.groups import FloatArray

MOST_PAIRS = 600


def draw_transferability(table: Table, seed: int | None = None) -> tuple[Figure, pd.DataFrame]:
    """Draw the centroids of all domain-class pairs of one run on a plane.

    The graph of Yang et al., ECCV 2022 (arXiv:2203.09513), section 3: nodes are pairs, and two
    that lie close transfer well. Places minimise the stress of the distances between centroids
    (SMACOF from Torgerson's start), so near and far mean something here, unlike in a t-SNE. Up to
    twelve classes are joined over domains by lines; larger marks have more training images.

    Args:
        table: the runs of one method.
        seed: which run; by default the first that is done.

    Returns:
        The figure, and a frame of ``domain``, ``class``, ``train``, ``x``, ``y``.

    Raises:
        UsageError: the runs are of several methods, or there are too many pairs to draw.
        DataError: the run's centroids do not fit the data set.
    """
    run = _choose(table, seed)
    folder = Path(run["path"])
    facts = read_data_facts(folder)
    centroids = read_features(folder)["centroids"].astype(float)
    domains, classes = facts["domains"], facts["classes"]
    if centroids.shape[:2] != (len(domains), len(classes)):
        raise DataError(f"{folder}: 'centroids' in features.npz do not fit the data set")
    d, c = np.nonzero(np.isfinite(centroids).all(axis=2))
    if not 3 <= len(d) <= MOST_PAIRS:
        raise UsageError(
            f"{table.dataset} has {len(d)} domain-class pairs with test images, and the map holds "
            f"3 to {MOST_PAIRS}."
        )
    places, stress = plane(centroids[d, c])
    train = facts["counts"]["train"][d, c]
    figure = new_figure(6.4, 5.4)
    axis = figure.subplots()
    shades = class_colors(len(classes))
    for k in range(len(classes) if len(classes) <= len(PALETTE) else 0):
        same = places[c == k]
        axis.plot(same[:, 0], same[:, 1], "-", color=shades[k], lw=0.7, alpha=0.6, zorder=1)
    for j in range(len(domains)):
        here = d == j
        axis.scatter(
            places[here, 0], places[here, 1], c=[shades[k] for k in c[here]],
            s=14 + 26 * np.log10(1 + train[here]), marker=MARKERS[j % len(MARKERS)],
            edgecolors="black", linewidths=0.4, zorder=2,
        )  # fmt: skip
    axis.set_aspect("equal", "datalim")
    axis.set_xticklabels([])
    axis.set_yticklabels([])
    _legends(figure, domains, classes, shades)
    figure.suptitle(
        f"{table.dataset}: {shortened(run['label'])}, seed {run['seed']}: centroids of the "
        f"domain-class pairs (stress {stress:.2f})",
        fontsize=9,
    )
    frame = pd.DataFrame(
        {"domain": [domains[j] for j in d], "class": [classes[k] for k in c], "train": train,
         "x": places[:, 0], "y": places[:, 1]}
    )  # fmt: skip
    return figure, frame


def plane(points: FloatArray) -> tuple[FloatArray, float]:
    """Return places (n, 2) whose distances fit those of points (n, F), and Kruskal's stress-1.

    Stress (Kruskal, Psychometrika 29 (1964)) is 0 for a perfect fit; .1 is fair, .2 poor.
    """
    distances = squareform(pdist(points))
    centring = np.eye(len(points)) - 1 / len(points)
    values, vectors = np.linalg.eigh(-0.5 * centring @ distances**2 @ centring)
    start = vectors[:, [-1, -2]] * np.sqrt(np.maximum(values[[-1, -2]], 1e-12))
    places, _ = smacof(distances, init=start, n_init=1, random_state=0, max_iter=300,
                       normalized_stress=False)  # fmt: skip
    fitted = pdist(places)
    total = (fitted**2).sum()
    stress = np.sqrt(((fitted - pdist(points)) ** 2).sum() / total) if total > 0 else 0.0
    return places, float(stress)


def _choose(table: Table, seed: int | None) -> pd.Series:
    runs = done(table.runs, "a map of centroids").table.sort_values("seed", kind="stable")
    labels = list(dict.fromkeys(runs["label"]))
    if len(labels) > 1:
        raise UsageError(
            f"The runs are of {len(labels)} methods and the map shows one: choose with --algo "
            f"among {', '.join(labels[:8])}."
        )
    if seed is not None:
        runs = runs[runs["seed"] == seed]
        if runs.empty:
            raise UsageError(f"No run of {labels[0]} with seed {seed} is done.")
    return runs.iloc[0]


def _legends(figure: Figure, domains: list[str], classes: list[str], shades: list[Any]) -> None:
    marks = [
        Line2D(
            [], [], marker=MARKERS[j % len(MARKERS)], ls="", color="#777777", label=shortened(n, 18)
        )
        for j, n in enumerate(domains)
    ]
    figure.legend(handles=marks, title="domain", loc="outside lower center", fontsize=8,
                  ncols=legend_columns(domains, 6.4))  # fmt: skip
    if len(classes) <= len(PALETTE):
        lines = [
            Line2D([], [], color=s, label=shortened(n, 18))
            for n, s in zip(classes, shades, strict=True)
        ]
        figure.legend(handles=lines, title="class", loc="outside right upper", fontsize=8)
        return
    scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, len(classes) - 1), GRADIENT)
    figure.colorbar(scale, ax=figure.axes, label="class, by index", shrink=0.7)
