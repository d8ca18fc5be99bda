"""The tables of a leaderboard for readers."""

from __future__ import annotations

import math
from collections import Counter

from ltbench.report.badges import badge_text, badges
from ltbench.report.content import Comparison, Leaderboard, Row, Score
from ltbench.report.metrics import Metric, metric
from ltbench.report.section import (
    Cell,
    Column,
    Grid,
    explained_share,
    fixed,
    name_column,
    probability,
)
from ltbench.report.selection import run_label
from ltbench.report.summary import Summary


def results_grid(board: Leaderboard) -> Grid:
    """Return the main table: method, seeds, possible ranks with letters, and the metrics.

    Where hyper-parameters of some method were searched for, a column says of each where they come
    from; terminals have those words behind the names of methods that were tuned. Where runs were
    handed in, a column says how far they were checked.
    """
    ranked = any(row.ranks for row in board.rows)
    handed_in = badges(board)
    columns = [name_column("method")]
    columns += [Column("settings", text=True, wide=True)] if board.tuned else []
    columns += [Column("badge", priority=2, text=True, chosen=True)] if handed_in else []
    columns.append(Column("k/N", priority=2))
    columns += [Column("rank")] if ranked else []
    direction = "ascending" if board.primary.smaller_is_better else "descending"
    sorted_by = (len(columns), direction)
    columns += _metric_columns(board, board.metrics)
    body = []
    for row in board.rows:
        own = run_label(row.method, {}, row.variant)
        line = [Cell(own, narrow=row.label), row.settings] if board.tuned else [row.label]
        line += [badge_text(handed_in.get(row.label, Counter()))] if handed_in else []
        seeds = "—" if row.combined else f"{row.done}/{row.started}"
        line.append(Cell(seeds, "" if row.combined else str(row.done)))
        if ranked:
            place = str(row.ranks[0] + row.ranks[1] / 1000) if row.ranks else ""
            line.append(Cell(f"{ranks_text(row.ranks)} {row.letters}".strip(), place))
        line += [_score(m, row.cells[m.name], row) for m in board.metrics]
        body.append(tuple(line))
    return Grid(tuple(columns), tuple(body), sorted=sorted_by)


def _metric_columns(board: Leaderboard, metrics: tuple[Metric, ...]) -> list[Column]:
    """Return columns of which the primary metric's stays longest, then those of the claims."""
    return [
        Column(
            "\n".join(m.head),
            priority=i and i + 2 + 100 * (m not in board.declared and not m.domain),
        )
        for i, m in enumerate(metrics)
    ]


def _score(metric: Metric, cell: Score, row: Row) -> Cell:
    seeds = "\n".join(f"seed {seed}: {metric.number(value)}" for seed, value in cell.values)
    return Cell(cell_text(metric, cell, row), _value(cell.mean), seeds)


def anova_grid(board: Leaderboard) -> Grid | None:
    """Return the analysis of variance of each declared metric, if there is any."""
    tests = board.analysis.omnibus
    if all(tests[metric.name].reason for metric in board.declared):
        return None
    columns = (
        name_column("metric"),
        Column("F", priority=2),
        Column("df", priority=3),
        Column("p", priority=0),
        Column("ω²", priority=1),
        Column("differ", priority=0),
    )
    body = tuple(_analysed(board, metric) for metric in board.declared)
    return Grid(columns, body, title=_anova_title(board))


def _anova_title(board: Leaderboard) -> str:
    number = len(board.declared)
    family = f", Holm over these {number} metrics" if number > 1 else ""
    tests = {test.test for test in board.analysis.omnibus.values() if not test.reason}
    name = "of differences seed by seed" if tests == {"paired"} else "Welch"
    return (
        f"ANOVA: do the methods differ at all? ({name}; p calibrated for few seeds{family}; it "
        "does not say which differ)"
    )


def _analysed(board: Leaderboard, metric: Metric) -> tuple[str, ...]:
    test, p = board.analysis.omnibus[metric.name], board.analysis.omnibus_holm[metric.name]
    if test.reason:
        return (metric.short, *5 * ("—",))
    return (
        metric.short,
        Cell(fixed(2)(test.statistic), _value(test.statistic)),
        Cell(f"{test.df1:.0f}, {test.df2:.1f}", _value(test.df2)),
        Cell(probability(p), _value(p)),
        Cell(explained_share(test.omega_squared), _value(test.omega_squared)),
        "yes" if board.analysis.claims(metric.name) else "not shown",
    )


def comparison_grid(board: Leaderboard) -> Grid | None:
    """Return each method against the reference on the declared metrics, if there is any."""
    rows = [row for row in board.rows if row.comparisons]
    if not rows:
        return None
    body = tuple((_compared(row), *(_difference(row, m) for m in board.declared)) for row in rows)
    columns = (name_column(f"minus {board.reference}"), *_metric_columns(board, board.declared))
    than = board.reference
    caption = (
        f"Differences from {than} in points (▲ better, ▼ worse than {than}, for {_scopes(board)}), "
        "Hedges' g, and p after Holm"
    )
    return Grid(columns, body, caption)


def _scopes(board: Leaderboard) -> str:
    """Return for what the marks of a table hold, for no more than all of them do."""
    covered = all(metric.name in board.analysis.over_images for metric in board.declared)
    return "other seeds and test images" if covered else "other seeds on these test images"


def _compared(row: Row) -> str:
    """Return the method, and whether it is compared seed by seed."""
    return f"{row.label} (paired)" if row.paired else row.label


def _difference(row: Row, metric: Metric) -> Cell:
    found = row.comparisons.get(metric.name)
    return Cell(comparison_text(metric, found), _value(found.difference) if found else "")


def images_grid(board: Leaderboard) -> Grid | None:
    """Return intervals over test images, each with that of the difference from the reference."""
    if board.images is None or board.images.frame.empty:
        return None
    rows = board.images.frame.set_index(["label", "metric"]).to_dict("index")
    metrics = tuple(metric(name) for name in dict.fromkeys(board.images.frame["metric"]))
    names = [row.label for row in board.rows if (row.label, metrics[0].name) in rows]
    body = tuple((name, *(_interval(m, rows[name, m.name]) for m in metrics)) for name in names)
    caption = "95 % intervals over test images, in brackets those of the differences"
    columns = (name_column("over images"), *_metric_columns(board, metrics))
    return Grid(columns, body, caption, elsewhere="json")


def _interval(metric: Metric, row: dict[str, float]) -> Cell:
    """Return "74.5–78.3 (+15.4, +21.3)": of the score, and of the difference; "—" for none."""
    if math.isnan(row["low"]):
        return Cell("—", "")
    text = f"{metric.number(row['low'])}–{metric.number(row['high'])}"
    if not math.isnan(row["difference"]):
        low, high = (metric.number(row[f"difference_{end}"], sign=True) for end in ("low", "high"))
        text += f" ({low}, {high})"
    return Cell(text, _value(row["low"]))


def summary_grid(summary: Summary) -> Grid:
    """Return ranks of the methods, one column a data set, with mean ranks where allowed."""
    result = summary.result
    with_mean = not result.reason
    columns = [name_column("method")]
    columns += [Column("mean rank", priority=0)] if with_mean else []
    columns += [Column(name) for name in summary.datasets]
    body = []
    for name in result.mean_ranks.index if with_mean else result.ranks.index:
        line: list[str] = [str(name)]
        if with_mean:
            mean, half = result.mean_ranks[name], result.critical_difference / 2
            line.append(Cell(f"{mean:.2f} ±{half:.2f}", _value(mean)))
        line += [f"{result.ranks.loc[name, dataset]:g}" for dataset in summary.datasets]
        body.append(tuple(line))
    return Grid(tuple(columns), tuple(body), "1 is best", elsewhere="json")


def cell_text(metric: Metric, cell: Score, row: Row | None) -> str:
    """Return "67.1 ±1.2", or "1.4 (0.2–9.3)" where ± would leave the scale.

    With its own n where it is not that of the method's row. Seeds that all agree have no ±.
    """
    if cell.lopsided:
        text = f"{metric.number(cell.mean)} ({metric.between(cell.low, cell.high)})"
    else:
        text = metric.mean(cell.mean, math.nan if math.isnan(cell.low) else cell.half_width)
    if row and cell.values and len(cell.values) != row.done:
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
    g = "" if math.isnan(comparison.g) else f" g {comparison.g:.1f}".replace("-", "−")
    return f"{text}{g} p {probability(comparison.p_holm)}".replace("p <", "p<")


def _value(number: float) -> str:
    return "" if math.isnan(number) else repr(float(number))
