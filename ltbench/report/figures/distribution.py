"""Training images of each class in each domain, sorted: how long the tail is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ltbench.report.figures.style import (
    PALETTE,
    grid_shape,
    new_figure,
    plain_numbers,
    shortened,
    tick_step,
)
from ltbench.report.selection import Table
from ltbench.results.documents import read_data_facts

_BUCKETS = {"many": PALETTE[0], "medium": PALETTE[3], "few": PALETTE[1], "zero": "#000000"}


def draw_distribution(table: Table) -> tuple[Figure, pd.DataFrame]:
    """Draw the class distribution of a table's data set.

    Returns:
        The figure, and a frame of ``domain``, ``class``, ``train``, ``val``, ``test``, ``shots``,
        each domain in the order in which it is drawn.

    Raises:
        DataError: the first run's ``spec.json`` lacks its counts.
    """
    frame = class_counts(table)
    return draw_counts(frame, table.dataset), frame


def draw_counts(frame: pd.DataFrame, dataset: str) -> Figure:
    """Draw a frame of :func:`counts_frame`, a panel for each domain.

    Args:
        frame: images per domain and class.
        dataset: what to call the data set.
    """
    domains = list(dict.fromkeys(frame["domain"]))
    rows, columns = grid_shape(len(domains), 3)
    classes = len(frame) // len(domains)
    figure = new_figure(columns * min(2.2 + 0.05 * classes, 5.5), 0.5 + 2.1 * rows)
    axes = np.atleast_1d(figure.subplots(rows, columns, sharey=True, squeeze=False)).ravel()
    for axis, domain in zip(axes, domains, strict=False):
        part = frame[frame["domain"] == domain].reset_index(drop=True)
        colors = [_BUCKETS[bucket] for bucket in part["shots"]]
        axis.bar(range(classes), part["train"], width=0.85, color=colors)
        absent = part.index[part["train"] == 0]
        axis.plot(absent, np.full(len(absent), 0.7), "x", color=_BUCKETS["zero"], ms=4)
        axis.set_title(f"{shortened(str(domain))} ({part['train'].sum():,})", fontsize=9)
        axis.set_yscale("log")
        plain_numbers(axis.yaxis)
        axis.set_ylim(bottom=0.5)
        step = tick_step(classes, 12)
        names = [shortened(str(n), 14) for n in part["class"]][::step]
        axis.set_xticks(range(0, classes, step), names, rotation=90, fontsize=7)
        axis.grid(axis="x", visible=False)
    for axis in axes[len(domains) :]:
        axis.set_visible(False)
    figure.supylabel("training images", fontsize=9)
    shots = [name for name in _BUCKETS if (frame["shots"] == name).any()]
    handles = [axes[0].bar(0, 0, color=_BUCKETS[name]) for name in shots]
    figure.legend(handles, [f"{name}-shot" for name in shots], loc="outside lower center", ncols=4)
    figure.suptitle(f"{dataset}: classes sorted by training images", fontsize=10)
    return figure


def class_counts(table: Table) -> pd.DataFrame:
    """Return the images of each domain and class, largest training class first."""
    facts = read_data_facts(table.folder)
    shots = facts["shots"]
    return counts_frame(
        facts["domains"],
        facts["classes"],
        facts["counts"],
        shots.get("many", 100),
        shots.get("few", 20),
    )


def counts_frame(
    domains: Sequence[str],
    classes: Sequence[str],
    counts: Mapping[str, NDArray[np.int64]],
    many: float,
    few: float,
) -> pd.DataFrame:
    """Return the images of each domain and class, largest training class first.

    Args:
        domains, classes: their names.
        counts: images per domain and class, (D, C), by part.
        many, few: the shot thresholds.
    """
    rows = []
    for d, domain in enumerate(domains):
        order = np.argsort(-counts["train"][d], kind="stable")
        for c in order:
            n = int(counts["train"][d, c])
            shots = "zero" if n == 0 else "many" if n > many else "few" if n <= few else "medium"
            parts = {part: int(table[d, c]) for part, table in counts.items()}
            rows.append({"domain": domain, "class": classes[c], **parts, "shots": shots})
    return pd.DataFrame(rows)
