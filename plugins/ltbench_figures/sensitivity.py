"""How scores depend on one hyper-parameter at a time."""

from __future__ import annotations

import json
from statistics import mode
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ltbench.api import (
    PAGE_WIDTH,
    PALETTE,
    Choices,
    FigureData,
    Table,
    UsageError,
    complete_hparams,
    short_names,
)
from ltbench_figures import style as look

_BASES = (("macro_f1", "macro-F1, %"), ("accuracy", "accuracy, %"))
_PARTS = (("average", "-", look.MARKERS[0]), ("worst", "--", look.MARKERS[2]))
MOST_PARAMETERS = 12
# Levels nearer than this share of the axis would have their numbers on top of each other.
_NEAREST = 0.05


def draw_sensitivity(data: FigureData, choices: Choices) -> tuple[Figure, pd.DataFrame]:
    """Draw average (solid) and worst (dashed) F1 and accuracy, shaded between them.

    One column of panels for each hyper-parameter with two values or more while all others stay at
    their base, which is each one's most frequent value among the runs. Its axis is linear or
    logarithmic, whichever spreads the values better.

    Args:
        data: the runs of one algorithm, as a sweep leaves them.
        choices: the parameter, for only this one.

    Returns:
        The figure, and a frame of ``parameter``, ``value``, ``metric``, ``n``, ``mean``.

    Raises:
        UsageError: the runs are of several algorithms, no hyper-parameter varies alone, or
            too many do.
    """
    table = data.table("a curve")
    frame = sweeps(table, choices.parameter)
    parameters = list(dict.fromkeys(frame["parameter"]))
    if len(parameters) > MOST_PARAMETERS:
        raise UsageError(
            f"{len(parameters)} hyper-parameters cannot be read on one page: choose one with "
            f"--parameter among {', '.join(parameters)}."
        )
    blocks, columns = look.grid_shape(len(parameters), 4)
    width = min(PAGE_WIDTH, max(4.0, 2.4 * columns))
    figure = look.new_figure(width, 0.9 + 2 * blocks * (1.9 if blocks == 1 else 1.4))
    pairs = look.panel_pairs(figure, len(parameters), columns)
    names = short_names(parameters, 24)
    for i, (name, pair) in enumerate(zip(parameters, pairs, strict=True)):
        part = frame[frame["parameter"] == name]
        levels = sorted(set(part["value"]), key=_order)
        places, scale = spread(levels)
        for axis, (base, title) in zip(pair, _BASES, strict=True):
            _draw(axis, part, base, dict(zip(levels, places, strict=True)))
            axis.set_xticks(places, [_text(v) for v in levels], rotation=90, fontsize=7)
            if i % columns == 0:
                axis.set_ylabel(title)
        # Both panels of a hyper-parameter have the values that stand below the lower one.
        pair[0].tick_params(labelbottom=False)
        pair[1].set_xlabel(f"{names[name]}{scale}", fontsize=7.5)
    for row in zip(*pairs, strict=True):
        look.share_range(row)
    handles = [
        Line2D([], [], color=PALETTE[0], ls=dash, marker=marker, ms=4, label=words)
        for (_, dash, marker), words in zip(
            _PARTS, ("average over domains", "worst domain"), strict=True
        )
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, handlelength=3)
    algorithm = table.runs.table["algorithm"].iloc[0]
    look.headline(
        figure,
        f"{algorithm}, one hyper-parameter at a time "
        f"({look.over_seeds(frame['n'])}, shaded between average and worst)",
        table.dataset,
    )
    return figure, frame.assign(value=frame["value"].map(_text))


def sweeps(table: Table, parameter: str | None = None) -> pd.DataFrame:
    """Return the mean over seeds for each value of each hyper-parameter that varies alone.

    Raises:
        UsageError: as :func:`draw_sensitivity`.
    """
    chosen = table.without_tuned().done("a sensitivity curve")
    algorithm, runs = chosen.only_algorithm("a sensitivity curve"), chosen.runs
    hparams = [{k: _hashable(v) for k, v in h.items()} for h in complete_hparams(runs.table)]
    names = list(dict.fromkeys(name for h in hparams for name in h))
    base = {name: mode([h[name] for h in hparams if name in h]) for name in names}
    metrics = [f"{b}_{part}" for b, _ in _BASES for part in ("average", "worst")]
    scores = runs.scores.reindex(columns=metrics)
    rows = []
    for name in names if parameter is None else [parameter]:
        # What has no effect in a run may be anything.
        alone = [all(h[o] == base[o] for o in h if o != name) for h in hparams]
        values = pd.Series([h.get(name) for h in hparams], index=scores.index, dtype=object)
        values = values[alone].dropna()
        if values.nunique() < 2:
            continue
        for value in sorted(values.unique(), key=_order):
            part = scores.loc[values.index[values == value]]
            rows += [
                {"parameter": name, "value": value, "metric": m, "n": int(part[m].count()),
                 "mean": float(part[m].mean())}
                for m in metrics if part[m].notna().any()
            ]  # fmt: skip
    if not rows:
        raise UsageError(
            f"No hyper-parameter of {algorithm} varies alone among these runs: sweep one with "
            f"`ltbench run --algo '{algorithm}[NAME=[1e-3,1e-2,1e-1]]' --dataset "
            f"{table.dataset}`."
        )
    return pd.DataFrame(rows)


def spread(levels: list[Any]) -> tuple[list[float], str]:
    """Return where sorted values stand on an axis, 0…1, and a note where that is not to scale.

    Linear or logarithmic, whichever keeps the nearest two farther apart; one after the other where
    both bring them too close, or the values are no numbers.
    """
    even = list(np.linspace(0, 1, len(levels)))
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in levels):
        return even, ""
    plain = np.asarray(levels, dtype=float)
    scales = [plain, np.log(plain)] if plain[0] > 0 else [plain]
    spans = [(values - values[0]) / (values[-1] - values[0]) for values in scales]
    best = max(spans, key=lambda span: np.diff(span).min())
    if np.diff(best).min() < _NEAREST:
        return even, "\n(not to scale)"
    return list(best), "\n(log. scale)" if best is spans[-1] and len(spans) > 1 else ""


def _draw(axis: Axes, frame: pd.DataFrame, base: str, place: dict[Any, float]) -> None:
    lines, shade = {}, PALETTE[0]
    for part, dash, marker in _PARTS:
        shown = frame[frame["metric"] == f"{base}_{part}"]
        lines[part] = pd.Series(100 * shown["mean"].to_numpy(), [place[v] for v in shown["value"]])
        curve = lines[part]
        axis.plot(curve.index, curve, ls=dash, color=shade, lw=1.3, marker=marker, ms=4)
    both = pd.DataFrame(lines).dropna().sort_index()
    axis.fill_between(both.index, both["worst"], both["average"], color=shade, alpha=0.1, lw=0)


def _hashable(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str | None) else json.dumps(value)


def _order(value: Any) -> tuple[int, float, str]:
    """Sort numbers before texts."""
    if isinstance(value, bool | int | float):
        return (0, float(value), "")
    return (1, 0.0, str(value))


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
