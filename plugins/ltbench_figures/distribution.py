"""Images of each class in each domain, sorted: how long the tail is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ltbench.api import (
    PAGE_WIDTH,
    PALETTE,
    Choices,
    FigureData,
    ShotRule,
    short_names,
    text_width,
)
from ltbench_figures import style as look

_BUCKETS = {
    "many": (PALETTE[0], look.MARKERS[0]),
    "medium": (PALETTE[1], look.MARKERS[1]),
    "few": (PALETTE[2], look.MARKERS[2]),
    "zero": ("#000000", "x"),
}
_PARTS = {"train": "training images", "val": "validation images", "test": "test images"}
MOST_PANELS = 12  # that a page holds
# Where the crosses of classes without images stand, as a share of the axis below one image.
_NOWHERE = 0.05


def draw_distribution(data: FigureData, choices: Choices) -> tuple[Figure, pd.DataFrame]:
    """Draw the images of each class in each domain, class with most training images first.

    A panel for each domain, and marks and not bars, whose lengths would mean nothing on a
    logarithmic axis.

    Args:
        data: of one data set; ``spec.json`` is read.
        choices: the part; shots are by the training images, whichever is drawn, and those of an
            unseen domain by the training images of all others.

    Returns:
        The figure, and a frame of ``domain``, ``class``, ``train``, ``val``, ``test``, ``shots``,
        each domain in the order in which it is drawn. Of more domains than a page holds, the
        figure shows those with most training images, and the frame all.

    Raises:
        DataError: the first run's ``spec.json`` lacks its counts.
    """
    dataset, facts = data.facts("the distribution")
    frame = counts_frame(facts)
    every = list(dict.fromkeys(frame["domain"]))
    classes = len(frame) // len(every)
    counted = choices.part
    images = frame.groupby("domain", sort=False)[counted].sum()
    most = set(images.sort_values(ascending=False, kind="stable").index[:MOST_PANELS])
    domains = [domain for domain in every if domain in most]
    rows, columns = look.grid_shape(len(domains), 3 if classes <= 20 else 2)
    width = max(4.5, min(PAGE_WIDTH, columns * (1.5 + 0.08 * classes)))
    figure = look.new_figure(width, 0.9 + 1.9 * rows)
    axes = look.panels(figure, len(domains), columns, sharey=True)
    # Below one, at no number of images, and as far from the axis however long that is.
    nowhere = 10 ** -(_NOWHERE * (1 + math.log10(max(10, frame[counted].max()))))
    # Of 8 points, beside the number of images.
    names = short_names(map(str, domains), int(width / columns / 0.068) - 16)
    for axis, domain in zip(axes, domains, strict=True):
        part = frame[frame["domain"] == domain].reset_index(drop=True)
        for bucket, (shade, marker) in _BUCKETS.items():
            shown = part[counted][part["shots"] == bucket].clip(lower=nowhere)
            edge = None if marker == "x" else "black"
            axis.scatter(shown.index, shown, s=16, c=shade, marker=marker, lw=0.5, edgecolors=edge)
        axis.set_title(f"{names[str(domain)]}: {part[counted].sum():,} images", fontsize=8)
        axis.set_yscale("log")
        look.plain_numbers(axis.yaxis)
        axis.set_xlim(-0.7, classes - 0.3)
        look.label_classes(axis.xaxis, [str(n) for n in part["class"]], width / columns - 0.6)
        axis.set_xlabel("class")
        axis.grid(axis="x", visible=False)
    # Of all panels, once the largest class of each is there.
    axes[0].set_ylim(bottom=nowhere**2)
    figure.supylabel(_PARTS[counted], fontsize=8)
    handles = [
        axes[0].plot([], [], marker, color=shade, ms=4, label=_words(name))[0]
        for name, (shade, marker) in _BUCKETS.items()
        if (frame["shots"] == name).any()
    ]
    # Of different lengths, so that their columns are, too: in one row, two, or below one another.
    words = [text_width(str(handle.get_label())) for handle in handles]
    room = {n: sum(0.55 + 0.075 * max(part) for part in np.array_split(words, n))
            for n in (4, 2) if n <= len(words)}  # fmt: skip
    columns = next((n for n, needed in room.items() if needed <= width), 1)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
    some = f"; the {len(domains)} of {len(every)} domains with most of them"
    some = some if len(domains) < len(every) else ""
    if (shot_counts(facts) != facts["counts"]["train"]).any():
        some += "; shots of unseen domains by those of all others"
    look.headline(figure, f"classes sorted by training images{some}", dataset)
    return figure, frame


def _words(bucket: str) -> str:
    return "zero-shot: no training image" if bucket == "zero" else f"{bucket}-shot"


def shot_counts(facts: Mapping[str, Any]) -> np.ndarray:
    """Return the training images by which the shots of pairs are told, (domains, classes).

    A pair has its own; one of an unseen domain those of its class in all training domains. Where
    the facts do not say, each has its own.

    Args:
        facts: of a data set, as :meth:`ltbench.api.FigureData.facts` gives them.
    """
    train = np.asarray(facts["counts"]["train"])
    told_by = np.asarray(facts.get("shot_counts", train))
    return told_by if told_by.size else train


def counts_frame(facts: Mapping[str, Any]) -> pd.DataFrame:
    """Return the images of each domain and class, largest training class first.

    Args:
        facts: of a data set, as :meth:`ltbench.api.FigureData.facts` gives them.
    """
    counts, told_by = facts["counts"], shot_counts(facts)
    rule = ShotRule.from_dict(facts["shots"])
    rows = []
    for d, domain in enumerate(facts["domains"]):
        order = np.argsort(-counts["train"][d], kind="stable")
        for c in order:
            parts = {part: int(table[d, c]) for part, table in counts.items()}
            bucket = rule.shot(int(told_by[d, c]))
            rows.append({"domain": domain, "class": facts["classes"][c], **parts, "shots": bucket})
    return pd.DataFrame(rows)
