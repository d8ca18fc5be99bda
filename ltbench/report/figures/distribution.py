"""Training images of each class in each domain, sorted: how long the tail is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ltbench.report.figures import style as look
from ltbench.report.selection import Table
from ltbench.results.documents import read_data_facts

_BUCKETS = {
    "many": (look.PALETTE[0], look.MARKERS[0]),
    "medium": (look.PALETTE[1], look.MARKERS[1]),
    "few": (look.PALETTE[2], look.MARKERS[2]),
    "zero": ("#000000", "x"),
}
# Where the crosses of classes without images stand: below one, and no number of images.
_NOWHERE = 0.6


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

    Marks and not bars, whose lengths would mean nothing on a logarithmic axis.

    Args:
        frame: images per domain and class.
        dataset: what to call the data set.
    """
    domains = list(dict.fromkeys(frame["domain"]))
    classes = len(frame) // len(domains)
    rows, columns = look.grid_shape(len(domains), 3 if classes <= 20 else 2)
    width = max(4.5, min(look.PAGE_WIDTH, columns * (1.5 + 0.08 * classes)))
    figure = look.new_figure(width, 0.9 + 1.9 * rows)
    axes = look.panels(figure, rows, columns, sharey=True).ravel()
    for axis, domain in zip(axes, domains, strict=False):
        axis.set_visible(True)
        part = frame[frame["domain"] == domain].reset_index(drop=True)
        for bucket, (shade, marker) in _BUCKETS.items():
            shown = part["train"][part["shots"] == bucket].clip(lower=_NOWHERE)
            edge = None if marker == "x" else "black"
            axis.scatter(shown.index, shown, s=16, c=shade, marker=marker, lw=0.5, edgecolors=edge)
        axis.set_title(f"{look.shortened(str(domain))}: {part['train'].sum():,} images", fontsize=8)
        axis.set_yscale("log")
        look.plain_numbers(axis.yaxis)
        axis.set_ylim(bottom=0.45)
        axis.set_xlim(-0.7, classes - 0.3)
        look.label_classes(axis.xaxis, [str(n) for n in part["class"]], width / columns - 0.6)
        axis.set_xlabel("class")
        axis.grid(axis="x", visible=False)
    figure.supylabel("training images", fontsize=8)
    handles = [
        axes[0].plot([], [], marker, color=shade, ms=4, label=_words(name))[0]
        for name, (shade, marker) in _BUCKETS.items()
        if (frame["shots"] == name).any()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    look.headline(figure, "classes sorted by training images", dataset)
    return figure


def _words(bucket: str) -> str:
    return "zero-shot: no training image" if bucket == "zero" else f"{bucket}-shot"


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
