"""Loss and validation score over training steps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ltbench.api import (
    PAGE_WIDTH,
    PALETTE,
    Choices,
    DataError,
    FigureData,
    UsageError,
    numbers,
    read_log,
    short_names,
    suggestion,
)
from ltbench_figures import style as look

_MOST_TOGETHER = 6
# Times that one method's greatest loss may be another's before their axis is logarithmic.
_FAR_APART = 30

Curves = dict[str, dict[str, pd.DataFrame]]
"""By column (loss or score) and method: mean, min, max and count over seeds at each step."""


def draw_convergence(data: FigureData, choices: Choices) -> tuple[Figure, pd.DataFrame]:
    """Draw the training loss and a validation score at every evaluation.

    Lines are means over seeds, shaded from the least seed to the greatest. Up to six methods share
    two axes, that of losses logarithmic where they lie far apart; more than those have two panels
    each, whose losses have axes of their own: what methods minimise differs. The steps of a second
    stage follow those of the first; a dotted line marks where it starts.

    Args:
        data: runs of one table, finished or not; ``log.jsonl`` is read.
        choices: the score says which validation metric.

    Returns:
        The figure, and a frame of ``label``, ``seed``, ``stage``, ``step``, ``loss``, ``score``.

    Raises:
        DataError: no run has a readable log.
        UsageError: no log has this metric.
    """
    table, score = data.table("convergence"), choices.score
    rows: list[dict[str, object]] = []
    runs = table.runs.table
    for label, seed, path in runs[["label", "seed", "path"]].itertuples(index=False):
        found = steps(read_log(Path(path)), score)
        rows += [{"label": label, "seed": seed, **entry} for entry in found]
    frame = pd.DataFrame(rows, columns=["label", "seed", "stage", "step", "loss", "score"])
    if frame.empty:
        raise DataError(f"No run of {table.dataset} has a readable log.jsonl to draw.")
    if frame["score"].isna().all():
        _check_score(runs["path"], score)
    if choices.points is not None:
        frame = sampled(frame, choices.points)
    measure = table.metric(score)
    labels = [name for name in table.labels() if (frame["label"] == name).any()]
    factor = {"loss": 1.0, "score": measure.scaled(1.0)}
    curves = {
        column: {label: _curve(frame, label, column, factor[column]) for label in labels}
        for column in factor
    }
    stages = {label: _stage_starts(frame[frame["label"] == label]) for label in labels}
    together = len(labels) <= _MOST_TOGETHER
    figure = (_draw_together if together else _draw_apart)(curves, stages, measure.axis)
    counts = [n for part in curves.values() for curve in part.values() for n in curve["count"]]
    notes = [
        look.over_seeds(counts),
        "shaded from the least to the greatest" if max(counts, default=0) > 1 else "",
        "dotted where a second stage starts" if any(stages.values()) else "",
        "" if together else "grey: the other methods",
    ]
    look.headline(figure, ", ".join(note for note in notes if note), table.dataset)
    return figure, frame


def steps(log: Iterable[dict[str, Any]], score: str) -> list[dict[str, object]]:
    """Return stage, running step, loss and score of each line of a log that has them.

    Where a run went on from a checkpoint the same step may be logged twice; the later one counts.
    """
    entries: dict[tuple[str, int], dict[str, object]] = {}
    offset, last, stage = 0, 0, None
    for line in log:
        name, step = str(line.get("stage", "")), line.get("step")
        if not isinstance(step, int) or isinstance(step, bool):
            continue
        if stage is not None and name != stage:
            offset += last
        stage, last = name, step
        loss = numbers(line.get("losses")).get("total")
        value = numbers(line.get("val")).get(score)
        entries[(name, step)] = {"stage": name, "step": offset + step, "loss": loss, "score": value}
    return list(entries.values())


def _check_score(folders: Iterable[str], score: str) -> None:
    """Refuse a metric that no log has, where there are others.

    Raises:
        UsageError: that is so.
    """
    lines = (line for folder in folders for line in read_log(Path(folder)))
    known = {name for line in lines for name in numbers(line.get("val"))}
    if known and score not in known:
        raise UsageError(f"No log here has the metric '{score}'{suggestion(score, known)}.")


def sampled(frame: pd.DataFrame, points: int) -> pd.DataFrame:
    """Return the rows at so many steps of each method, about equally far apart.

    The same steps of all seeds, as curves are means over them; the first and the last step of each
    stage stay, so that a method of many stages may keep a few more.
    """
    kept = []
    for _, rows in frame.groupby("label", sort=False):
        there = np.unique(rows["step"].to_numpy())
        places = np.unique(np.linspace(0, len(there) - 1, max(2, points)).round().astype(int))
        ends = rows.groupby(["seed", "stage"], sort=False)["step"].agg(["min", "max"])
        kept.append(rows[rows["step"].isin([*there[places], *ends.to_numpy().ravel()])])
    return pd.concat(kept, ignore_index=True)


def _curve(frame: pd.DataFrame, label: str, column: str, factor: float) -> pd.DataFrame:
    part = frame[frame["label"] == label].dropna(subset=[column])
    values = part.assign(value=factor * part[column].astype(float))
    return values.groupby("step")["value"].agg(["mean", "min", "max", "count"])


def _stage_starts(frame: pd.DataFrame) -> list[float]:
    """Return where the later stages of one method's runs start."""
    ends = frame.groupby(["seed", "stage"], sort=False)["step"].max().reset_index()
    later = ends.groupby("seed", sort=False)["step"].apply(lambda s: list(s)[:-1])
    return sorted({float(step) for found in later for step in found})


def _draw_together(curves: Curves, stages: dict[str, list[float]], measure: str) -> Figure:
    labels = list(stages)
    columns = look.legend_columns(labels, PAGE_WIDTH)
    figure = look.new_figure(PAGE_WIDTH, 3.0 + 0.17 * len(labels) / columns)
    axes = dict(zip(("loss", "score"), figure.subplots(1, 2), strict=True))
    handles = []
    for i, label in enumerate(labels):
        for column, axis in axes.items():
            line = _draw_curve(axis, curves[column][label], look.color(i), look.dash(i))
        handles.append(line)
    far_apart = _far_apart(curves["loss"].values())
    if far_apart:
        axes["loss"].set_yscale("log")
        look.plain_numbers(axes["loss"].yaxis)
    for column, axis in axes.items():
        axis.set_ylabel(_axis_name(column, measure, log=column == "loss" and far_apart))
        axis.set_xlabel("training step")
        _mark(axis, sorted({start for found in stages.values() for start in found}))
    names = list(short_names(labels, look.LEGEND).values())
    figure.legend(handles, names, loc="outside lower center", ncols=columns, handlelength=3.2)
    return figure


def _draw_apart(curves: Curves, stages: dict[str, list[float]], measure: str) -> Figure:
    """Draw two panels for each method: its score before those of all others, and its loss."""
    labels = list(stages)
    names = short_names(labels, 20)
    rows, columns = look.grid_shape(len(labels), 5)
    each = float(np.clip(8.2 / (2 * rows), 0.7, 1.15))
    figure = look.new_figure(PAGE_WIDTH, 0.8 + 2 * rows * each)
    pairs = look.panel_pairs(figure, len(labels), columns, sharex=True)
    for i, (label, (above, below)) in enumerate(zip(labels, pairs, strict=True)):
        first = i % columns == 0
        above.set_title(names[label], fontsize=6.5, pad=3)
        for other, curve in curves["score"].items():
            if other != label:  # hundreds of them: `plot` would measure all anew for each
                above.add_line(Line2D(curve.index, curve["mean"], color="#cccccc", lw=0.5))
        for axis, column in ((above, "score"), (below, "loss")):
            _draw_curve(axis, curves[column][label], PALETTE[0], "-")
            _mark(axis, stages[label])
            axis.tick_params(labelsize=6, length=2, pad=1.5)
            axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            axis.yaxis.set_major_locator(MaxNLocator(3))
            if first:
                axis.set_ylabel("score" if column == "score" else "loss", fontsize=7)
        above.tick_params(labelleft=first)
        # The lowest panel of a column names the steps, also where the last row is not full.
        below.tick_params(labelbottom=i + columns >= len(labels))
    look.share_range(above for above, _ in pairs)
    figure.supylabel(f"score: validation {measure}; loss: training loss, own axes", fontsize=8)
    figure.supxlabel("training step", fontsize=8)
    return figure


def _draw_curve(axis: Axes, curve: pd.DataFrame, shade: str, dashes: Any) -> Any:
    line = axis.plot(curve.index, curve["mean"], color=shade, ls=dashes, lw=1.3)[0]
    if (curve["count"] > 1).any():
        axis.fill_between(curve.index, curve["min"], curve["max"], color=shade, alpha=0.15, lw=0)
    return line


def _mark(axis: Axes, starts: list[float]) -> None:
    for start in starts:
        axis.axvline(start, color="#666666", ls=":", lw=1)


def _far_apart(losses: Iterable[pd.DataFrame]) -> bool:
    """Say whether the losses of some methods are too small to be seen beside those of others."""
    ends = [(curve["min"].min(), curve["max"].max()) for curve in losses]
    known = np.array([pair for pair in ends if np.isfinite(pair).all()])
    if not len(known) or known.min() <= 0:
        return False
    return bool(known[:, 1].max() > _FAR_APART * known[:, 1].min())


def _axis_name(column: str, measure: str, *, log: bool) -> str:
    if column == "loss":
        # In two lines, of which neither is longer than the axis.
        own = "\n(each method's own, log. scale)" if log else " (each method's own)"
        return f"training loss{own}"
    return f"validation\n{measure}"
