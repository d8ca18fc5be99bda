"""Average and worst scores over seeds: where each method's runs lie."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ltbench.report.content import long_scores
from ltbench.report.figures.style import PALETTE, new_figure, shortened
from ltbench.report.metrics import metric
from ltbench.report.selection import Table

_PARTS = (("average", PALETTE[0]), ("worst", PALETTE[1]))
_FEWEST = 3


def draw_violin(table: Table, base: str = "macro_f1") -> tuple[Figure, pd.DataFrame]:
    """Draw average and worst scores of every method, sorted by the average.

    Every run is a point. A violin needs three seeds that do not all agree; below that there are
    only points.

    Args:
        table: the runs.
        base: ``macro_f1`` or ``accuracy``.

    Returns:
        The figure, and a frame of ``label``, ``seed``, ``metric``, ``value``.
    """
    names = [f"{base}_{part}" for part, _ in _PARTS]
    frame = long_scores(table.runs, names).dropna(subset=["value"]).reset_index(drop=True)
    means = frame[frame["metric"] == names[0]].groupby("label")["value"].mean()
    order = list(means.sort_values(ascending=False).index)
    figure = new_figure(max(5.2, 1.6 + 0.55 * len(order)), 3.8)
    axis = figure.subplots()
    handles = []
    for name, (_, shade), offset in zip(names, _PARTS, (-0.2, 0.2), strict=True):
        part = frame[frame["metric"] == name]
        values = [100 * part["value"][part["label"] == label].to_numpy() for label in order]
        _draw_part(axis, values, offset, shade)
        handles.append(axis.plot([], [], "o", color=shade, label=metric(name).words)[0])
    axis.set_xticks(range(len(order)), [shortened(n) for n in order], rotation=45, ha="right")
    axis.set_ylabel(f"{metric(names[0]).head[0]}, %")
    axis.set_xlim(-0.6, len(order) - 0.4)
    axis.grid(axis="x", visible=False)
    figure.legend(handles=handles, loc="outside upper right", ncols=2)
    axis.set_title(_caption(table, frame, order), fontsize=9, loc="left")
    return figure, frame


def _draw_part(axis: Axes, values: list[np.ndarray], offset: float, shade: str) -> None:
    for place, scores in enumerate(values):
        at = place + offset
        if len(scores) >= _FEWEST and np.ptp(scores) > 1e-9:
            shape = axis.violinplot(scores, [at], widths=0.36, showextrema=False)
            for body in shape["bodies"]:  # type: ignore[attr-defined]
                body.set(facecolor=shade, alpha=0.35, edgecolor=shade)
        # Points are spread sideways by rank, so that equal scores stay visible.
        spread = np.linspace(-0.06, 0.06, len(scores)) if len(scores) > 1 else np.zeros(len(scores))
        axis.plot(at + spread, scores, "o", color=shade, ms=2.8, mec="white", mew=0.3)
        if len(scores) > 1:
            axis.hlines(scores.mean(), at - 0.14, at + 0.14, color=shade, lw=1.6)


def _caption(table: Table, frame: pd.DataFrame, order: list[str]) -> str:
    counts = sorted({int(frame["seed"][frame["label"] == label].nunique()) for label in order})
    if not counts:
        return table.dataset
    seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"
    if counts[-1] == 1:
        return f"{table.dataset}: one seed a method, so no spread is known"
    return f"{table.dataset}: points are seeds ({seeds}), bars means"
