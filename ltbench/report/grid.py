"""Leaderboards as grids of text, which the text formats only lay out."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ltbench.report.content import Cell, Comparison, Leaderboard, Row, Summary
from ltbench.report.metrics import Metric, metric
from ltbench.report.wording import p_value


@dataclass(frozen=True)
class Grid:
    """Text in rows and columns; the first column holds names, the others numbers.

    Attributes:
        head: one or two lines for each column, separated by a line feed.
    """

    head: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]


def results_grid(board: Leaderboard, *, narrow: bool = False) -> Grid:
    """Return the main table: method, seeds, possible ranks with letters, and the metrics.

    Where hyper-parameters of some method were searched for, a column says of each where they come
    from; a ``narrow`` table has those words below the name of a method that was tuned.
    """
    ranked = any(row.ranks for row in board.rows)
    told = board.tuned and not narrow
    head = ["method", *(["settings"] if told else []), "k/N", *(["rank"] if ranked else [])]
    head += ["\n".join(metric.head) for metric in board.metrics]
    body = []
    for row in board.rows:
        line = [row.method, row.settings] if told else [row.label]
        line.append(f"{row.done}/{row.started}")
        if ranked:
            line.append(f"{ranks_text(row.ranks)} {row.letters}".strip())
        line += [cell_text(m, row.cells[m.name], row) for m in board.metrics]
        body.append(tuple(line))
    return Grid(tuple(head), tuple(body))


def comparison_grid(board: Leaderboard) -> Grid | None:
    """Return each method against the reference on the declared metrics, if there is any."""
    rows = [row for row in board.rows if row.comparisons]
    if not rows:
        return None
    head = (f"minus {board.reference}", *("\n".join(m.head) for m in board.declared))
    body = tuple(
        (row.label, *(comparison_text(m, row.comparisons.get(m.name)) for m in board.declared))
        for row in rows
    )
    return Grid(head, body)


def images_grid(board: Leaderboard) -> Grid | None:
    """Return intervals over test images, each with that of the difference from the reference."""
    if board.images is None or board.images.frame.empty:
        return None
    rows = board.images.frame.set_index(["label", "metric"]).to_dict("index")
    metrics = [metric(name) for name in dict.fromkeys(board.images.frame["metric"])]
    names = [row.label for row in board.rows if (row.label, metrics[0].name) in rows]
    head = ("over images", *("\n".join(m.head) for m in metrics))
    body = tuple((name, *(_interval(m, rows[name, m.name]) for m in metrics)) for name in names)
    return Grid(head, body)


def _interval(metric: Metric, row: dict[str, float]) -> str:
    """Return "74.5–78.3 (+15.4, +21.3)": of the score, and of the difference."""
    text = f"{metric.number(row['low'])}–{metric.number(row['high'])}"
    if math.isnan(row["difference"]):
        return text
    low, high = (metric.number(row[f"difference_{end}"], sign=True) for end in ("low", "high"))
    return f"{text} ({low}, {high})"


def summary_grid(summary: Summary) -> Grid:
    """Return ranks of the methods, one column a data set, with mean ranks where allowed."""
    result = summary.result
    with_mean = not result.reason
    names = list(result.mean_ranks.index) if with_mean else list(result.ranks.index)
    head = ["method", *(["mean rank"] if with_mean else []), *summary.datasets]
    body = []
    for name in names:
        line = [str(name)]
        if with_mean:
            half = result.critical_difference / 2
            line.append(f"{result.mean_ranks[name]:.2f} ±{half:.2f}")
        line += [f"{result.ranks.loc[name, dataset]:g}" for dataset in summary.datasets]
        body.append(tuple(line))
    return Grid(tuple(head), tuple(body))


def cell_text(metric: Metric, cell: Cell, row: Row | None) -> str:
    """Return "67.1 ±1.2"; with its own n where some of the method's seeds lack the metric."""
    text = metric.number(cell.mean)
    if not math.isnan(cell.half_width):
        text += f" ±{metric.spread(cell.half_width)}"
    if row and cell.values and len(cell.values) < row.done:
        text += f" (n={len(cell.values)})"
    return text


def ranks_text(ranks: tuple[int, int] | None) -> str:
    """Return "1–3", "2", or "—" where nothing could be tested."""
    if ranks is None:
        return "—"
    low, high = ranks
    return str(low) if low == high else f"{low}–{high}"


def comparison_text(metric: Metric, comparison: Comparison | None) -> str:
    """Return "+10.1 ▲ g 4.3, p = .002": difference, mark of a claim, Hedges' g, Holm's p."""
    if comparison is None:
        return "—"
    text = metric.number(comparison.difference, sign=True)
    if comparison.claimed:
        better = (comparison.difference > 0) != metric.smaller_is_better
        text += " ▲" if better else " ▼"
    if math.isnan(comparison.p_holm):
        return f"{text} (no spread)"
    g = f"{comparison.g:.1f}".replace("-", "−")
    return f"{text} g {g} {p_value(comparison.p_holm).replace('p = ', 'p ').replace('p < ', 'p<')}"
