"""The domain-class graph: how far apart the pairs' centroids lie, on a map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import smacof

from ltbench.api import (
    PAGE_WIDTH,
    PALETTE,
    Choices,
    DataError,
    FigureData,
    UsageError,
    read_features,
    short_names,
    text_width,
)
from ltbench_figures import style as look

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_PAIRS = 600
_MOST_NAMES = 130
# Areas, in square points, of the marks of pairs without training images; some hold numbers.
_SMALL, _LARGE = 16, 55


def draw_transferability(data: FigureData, choices: Choices) -> tuple[Figure, pd.DataFrame]:
    """Draw the centroids of all domain-class pairs of one run on a plane.

    The graph of Yang et al., ECCV 2022 (arXiv:2203.09513), section 3: nodes are pairs, and two
    that lie close transfer well. Places minimise the stress of the distances between centroids
    (SMACOF from Torgerson's start), so near and far mean something here, unlike in a t-SNE. Larger
    marks have more training images. Up to twelve classes have colours and lines that join their
    domains; more are numbered, and domains have the colours.

    Args:
        data: the runs of one method; ``features.npz`` is read.
        choices: the seed, which run; by default the first that is done.

    Returns:
        The figure, and a frame of ``domain``, ``class``, ``train``, ``x``, ``y`` and the map's
        ``stress``.

    Raises:
        UsageError: the runs are of several methods, or there are too many pairs to draw.
        DataError: the run's centroids do not fit the data set.
    """
    table = data.table("the map")
    chosen = table.one_of_each("a map of centroids", choices.seed)
    if len(chosen) > 1:
        raise UsageError(
            f"The runs are of {len(chosen)} methods and the map shows one: choose with --algo "
            f"among {', '.join(chosen['label'][:8])}."
        )
    run, facts = chosen.iloc[0], table.facts()
    folder = Path(run["path"])
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
    draw = _draw_colored if len(classes) <= len(PALETTE) else _draw_numbered
    figure = draw(places, d, c, train, facts)
    look.headline(
        figure,
        f"{look.shortened(run['label'])}, seed {run['seed']}: centroids of {len(d)} domain-class "
        f"pairs (stress {stress:.2f})",
        table.dataset,
    )
    frame = pd.DataFrame(
        {"domain": [domains[j] for j in d], "class": [classes[k] for k in c], "train": train,
         "x": places[:, 0], "y": places[:, 1], "stress": stress}
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


def _draw_colored(
    places: FloatArray, d: IntArray, c: IntArray, train: IntArray, facts: dict[str, Any]
) -> Figure:
    """Draw few classes: colours are classes, marks are domains."""
    domains, classes = facts["domains"], facts["classes"]
    figure = look.new_figure(6.0, 5.4)
    axis = figure.subplots()
    for k in range(len(classes)):
        same = places[c == k]
        axis.plot(same[:, 0], same[:, 1], "-", color=look.color(k), lw=0.8, alpha=0.6, zorder=1)
    for j in range(len(domains)):
        here = d == j
        axis.scatter(
            places[here, 0], places[here, 1], c=[look.color(k) for k in c[here]],
            s=_sizes(train[here], _SMALL), marker=_mark(j), edgecolors="black", linewidths=0.5,
            zorder=2,
        )  # fmt: skip
    _finish(axis)
    names = short_names(classes, 18)
    lines = [Line2D([], [], color=look.color(k), lw=2, label=names[n])
             for k, n in enumerate(classes)]  # fmt: skip
    figure.legend(handles=lines, title="class", loc="outside right center", fontsize=7)
    _name_domains(figure, domains, ["#ffffff"] * len(domains), train, _SMALL)
    return figure


def _draw_numbered(
    places: FloatArray, d: IntArray, c: IntArray, train: IntArray, facts: dict[str, Any]
) -> Figure:
    """Draw many classes: colours and marks are domains, numbers are classes."""
    domains, classes = facts["domains"], facts["classes"]
    short = short_names(classes, 18)
    names = [f"{k} {short[name]}" for k, name in enumerate(classes)]
    # Wider than the names of class numbers need, as nothing may lie on top of a name.
    columns = max(1, int(PAGE_WIDTH / (0.25 + 0.05 * max(map(text_width, names)))))
    rows = -(-len(names) // columns) if len(names) <= _MOST_NAMES else 0
    figure = look.new_figure(PAGE_WIDTH, 6.2 + 0.1 * rows)
    axis = figure.subplots()
    shades = [_pale(look.color(j)) for j in range(len(domains))]
    for j, shade in enumerate(shades):
        here = d == j
        axis.scatter(
            places[here, 0], places[here, 1], color=shade, s=_sizes(train[here], _LARGE),
            marker=_mark(j), edgecolors="black", linewidths=0.5, zorder=2,
        )  # fmt: skip
    for (x, y), k in zip(places, c, strict=True):
        axis.text(x, y, str(k), fontsize=5, ha="center", va="center_baseline", zorder=3)
    _finish(axis)
    _name_domains(figure, domains, shades, train, _LARGE)
    if rows:
        text = ["\n".join(names[i * rows : (i + 1) * rows]) for i in range(columns)]
        for i, block in enumerate(text):
            axis.text(i / columns, -0.1, block, transform=axis.transAxes, fontsize=6, va="top")
    return figure


def _finish(axis: Axes) -> None:
    axis.set_aspect("equal", "datalim")
    axis.set_xlabel("distance in feature space; directions mean nothing")
    axis.set_ylabel("distance in feature space")


def _mark(domain: int) -> str:
    return look.MARKERS[domain % len(look.MARKERS)]


def _sizes(train: IntArray, least: float) -> FloatArray:
    return least + 26 * np.log10(1 + train)


def _pale(shade: str) -> tuple[float, ...]:
    return tuple(0.5 + 0.5 * part for part in to_rgb(shade))


def _name_domains(
    figure: Figure, domains: list[str], shades: list[Any], train: IntArray, least: float
) -> None:
    """Write below the figure which mark is which domain, and how large images make a mark."""
    short = short_names(domains, 18)
    marks = [
        Line2D([], [], marker=_mark(j), ls="", mfc=shade, mec="black", mew=0.5, label=short[name])
        for j, (name, shade) in enumerate(zip(domains, shades, strict=True))
    ]  # fmt: skip
    most = int(train.max())
    for images in sorted({0, 10 ** (len(str(most)) // 2), most} & set(range(most + 1))):
        size = float(np.sqrt(_sizes(np.array(images), least)))
        label = f"{images:,} training images"
        marks.append(Line2D([], [], marker="o", ls="", color="#bbbbbb", ms=size, label=label))
    names = [str(mark.get_label()) for mark in marks]
    figure.legend(handles=marks, loc="outside lower center", fontsize=7,
                  ncols=look.legend_columns(names, figure.get_figwidth()))  # fmt: skip
