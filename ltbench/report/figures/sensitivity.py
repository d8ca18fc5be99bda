"""How scores depend on one hyper-parameter at a time."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ltbench.errors import UsageError
from ltbench.report.figures.style import MARKERS, color, new_figure, shortened
from ltbench.report.selection import Table, done, without_tuned

_BASES = (("macro_f1", "macro-F1, %"), ("accuracy", "accuracy, %"))


def draw_sensitivity(table: Table, parameter: str | None = None) -> tuple[Figure, pd.DataFrame]:
    """Draw average (solid) and worst (dashed) F1 and accuracy, shaded between them.

    One curve for each hyper-parameter with two values or more while all others stay at their base,
    which is each one's most frequent value among the runs.

    Args:
        table: the runs of one algorithm, as a sweep leaves them.
        parameter: only this hyper-parameter.

    Returns:
        The figure, and a frame of ``parameter``, ``value``, ``metric``, ``n``, ``mean``.

    Raises:
        UsageError: the runs are of several algorithms, or no hyper-parameter varies alone.
    """
    frame = sweeps(table, parameter)
    parameters = list(dict.fromkeys(frame["parameter"]))
    figure = new_figure(9.0, 3.6)
    panels = figure.subplots(1, 2)
    levels = sorted(set(frame["value"]), key=_order)
    for axis, (base, title) in zip(panels, _BASES, strict=True):
        for i, name in enumerate(parameters):
            _draw(axis, frame[frame["parameter"] == name], base, i, levels)
        axis.set_xticks(range(len(levels)), [_text(v) for v in levels], rotation=45, ha="right")
        axis.set_ylabel(title)
        axis.set_xlabel("value")
    handles = [
        Line2D([], [], color=color(i), marker=MARKERS[i % len(MARKERS)], label=shortened(name))
        for i, name in enumerate(parameters)
    ]
    handles += [Line2D([], [], color="black", label="average over domains"),
                Line2D([], [], color="black", ls="--", label="worst domain")]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=min(5, len(handles)))
    algorithm = table.runs.table["algorithm"].iloc[0]
    figure.suptitle(f"{table.dataset}: {algorithm}, one hyper-parameter at a time", fontsize=9)
    return figure, frame.assign(value=frame["value"].map(_text))


def sweeps(table: Table, parameter: str | None = None) -> pd.DataFrame:
    """Return the mean over seeds for each value of each hyper-parameter that varies alone.

    Raises:
        UsageError: as :func:`draw_sensitivity`.
    """
    runs = done(without_tuned(table).runs, "a sensitivity curve")
    algorithms = sorted(
        {
            "+".join((a, *s))
            for a, s in zip(runs.table["algorithm"], runs.table["stages"], strict=True)
        }
    )
    if len(algorithms) > 1:
        raise UsageError(
            f"The runs are of {len(algorithms)} algorithms and a sensitivity curve shows one: "
            f"choose with --algo among {', '.join(algorithms[:8])}."
        )
    hparams = [{k: _hashable(v) for k, v in h.items()} for h in runs.table["hparams"]]
    names = list(dict.fromkeys(name for h in hparams for name in h))
    base = {name: Counter(h.get(name) for h in hparams).most_common(1)[0][0] for name in names}
    metrics = [f"{b}_{part}" for b, _ in _BASES for part in ("average", "worst")]
    scores = runs.scores.reindex(columns=metrics)
    rows = []
    for name in names if parameter is None else [parameter]:
        alone = [all(h.get(o) == base[o] for o in names if o != name) for h in hparams]
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
            f"No hyper-parameter of {algorithms[0]} varies alone among these runs: sweep one with "
            f"`ltbench run --algo '{algorithms[0]}[NAME=[1e-3,1e-2,1e-1]]' --dataset "
            f"{table.dataset}`."
        )
    return pd.DataFrame(rows)


def _draw(axis: Axes, frame: pd.DataFrame, base: str, index: int, levels: list[Any]) -> None:
    place = {value: i for i, value in enumerate(levels)}
    lines = {}
    for part, dash in (("average", "-"), ("worst", "--")):
        curve = frame[frame["metric"] == f"{base}_{part}"]
        lines[part] = pd.Series(100 * curve["mean"].to_numpy(), [place[v] for v in curve["value"]])
        axis.plot(
            lines[part].index, lines[part], ls=dash, color=color(index), lw=1.4,
            marker=MARKERS[index % len(MARKERS)], ms=4,
        )  # fmt: skip
    both = pd.DataFrame(lines).dropna().sort_index()
    axis.fill_between(
        both.index, both["worst"], both["average"], color=color(index), alpha=0.1, lw=0
    )


def _hashable(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str | None) else json.dumps(value)


def _order(value: Any) -> tuple[int, float, str]:
    """Sort numbers before texts."""
    if isinstance(value, bool | int | float):
        return (0, float(value), "")
    return (1, 0.0, str(value))


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
