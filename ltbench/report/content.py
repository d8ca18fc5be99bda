"""What a leaderboard says, before any format: tables of rows, and the summary across data sets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ltbench.report.metrics import DECLARED_METRICS, Metric, choose_metrics
from ltbench.report.selection import Table, split_tables
from ltbench.results.frame import Runs
from ltbench.stats.across import AcrossDatasets, across_datasets
from ltbench.stats.claims import Analysis, analyse


@dataclass(frozen=True)
class Cell:
    """One method's score on one metric.

    Attributes:
        mean: over the seeds that have it; NaN where none has.
        half_width: of the 95 % t-interval; NaN for fewer than two seeds.
        values: (seed, value) of each run.
    """

    mean: float = math.nan
    half_width: float = math.nan
    values: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Comparison:
    """A method against the reference on one metric; differences are in the metric's own unit."""

    difference: float
    low: float
    high: float
    g: float
    p: float
    p_holm: float
    claimed: bool


@dataclass(frozen=True)
class Row:
    """One method of a table.

    Attributes:
        done: seeds with a result; ``started`` counts those that failed or diverged too.
        ranks: lowest and highest rank it could hold on the primary metric, where testable.
        tuned: how its hyper-parameters were searched for; empty where they were not.
    """

    label: str
    done: int
    started: int
    diverged: int
    failed: int
    unfinished: int
    cells: dict[str, Cell]
    ranks: tuple[int, int] | None
    letters: str
    comparisons: dict[str, Comparison]
    tuned: dict[str, Any] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """The label without the words for the tuning budget."""
        return self.label.partition(" (tuned: ")[0]

    @property
    def settings(self) -> str:
        """Where its hyper-parameters come from: "default", "set by hand" or "tuned: 16 trials"."""
        if self.tuned:
            return self.label.removeprefix(self.method).strip(" ()") or "tuned"
        return "set by hand" if "[" in self.label else "default"


@dataclass(frozen=True)
class ImageIntervals:
    """Intervals over test images; see :func:`ltbench.stats.image_bootstrap.image_bootstrap`.

    Attributes:
        frame: its result; empty where no run has predictions.
        problems: what did not fit, in sentences without a full stop.
    """

    frame: pd.DataFrame
    resamples: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Leaderboard:
    """One table: runs of one protocol, a row each method, sorted by the first metric.

    ``images`` holds the bootstrap over test images where it was asked for.
    """

    table: Table
    metrics: tuple[Metric, ...]
    declared: tuple[Metric, ...]
    rows: tuple[Row, ...]
    analysis: Analysis
    reference: str | None
    images: ImageIntervals | None = None

    @property
    def tuned(self) -> bool:
        """Whether hyper-parameters of any row were searched for."""
        return any(row.tuned for row in self.rows)

    @property
    def primary(self) -> Metric:
        """Return the metric that sorts the rows and ranks the methods."""
        return self.metrics[0]


@dataclass(frozen=True)
class Summary:
    """The methods across data sets, on the primary metric.

    Attributes:
        left_out: tables of data sets that another protocol already stands for.
    """

    metric: Metric
    result: AcrossDatasets
    datasets: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Content:
    """All tables of a report; ``unreadable`` lists (path, reason) of folders passed over."""

    boards: tuple[Leaderboard, ...]
    summary: Summary | None
    unreadable: tuple[tuple[str, str], ...] = ()


def build(
    runs: Runs,
    *,
    metrics: Sequence[str] | None = None,
    reference: str = "erm",
    unreadable: Sequence[tuple[str, str]] = (),
) -> Content:
    """Return the leaderboards of these runs.

    Args:
        runs: readable runs, already filtered.
        metrics: columns, the first of which sorts; ``None`` for the default ones.
        reference: the label that the others are compared with, in tables that have it.
        unreadable: folders passed over, to be mentioned.

    Raises:
        UsageError: a metric is in no run.
    """
    known = runs.scores.columns[runs.scores.notna().any()]
    columns = choose_metrics(metrics, known)
    boards = tuple(_board(table, columns, reference) for table in split_tables(runs))
    return Content(boards, _summary(boards), tuple(unreadable))


def long_scores(runs: Runs, metrics: Sequence[str]) -> pd.DataFrame:
    """Return the scores of done runs as rows of ``label``, ``seed``, ``metric``, ``value``."""
    finished = runs.where((runs.table["status"] == "done").to_numpy())
    wide = finished.scores.reindex(columns=list(metrics)).astype(float)
    wide = wide.assign(label=finished.table["label"], seed=finished.table["seed"])
    long = wide.melt(["label", "seed"], var_name="metric", value_name="value")
    return long.sort_values(["label", "seed"], kind="stable", ignore_index=True)


def _board(table: Table, metrics: tuple[Metric, ...], reference: str) -> Leaderboard:
    primary = metrics[0]
    declared = tuple(m for m in metrics if m.name in DECLARED_METRICS or m is primary)
    scores = long_scores(table.runs, [m.name for m in metrics])
    has_reference = reference in set(scores["label"])
    analysis = analyse(
        scores,
        primary=primary.name,
        declared=[m.name for m in declared],
        reference=reference if has_reference else None,
        smaller_is_better=[m.name for m in metrics if m.smaller_is_better],
    )
    values: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for label, seed, name, value in scores.dropna().itertuples(index=False):
        values.setdefault((label, name), []).append((seed, value))
    scored = {
        key: Cell(line["mean"], line["half_width"], tuple(values[key]))
        for key, line in analysis.summary.to_dict("index").items()
    }
    rows = [
        _row(label, group, metrics, analysis, scored)
        for label, group in table.runs.table.groupby("label", sort=False)
    ]
    sign = 1 if primary.smaller_is_better else -1
    rows.sort(key=lambda row: _sort_key(row.cells[primary.name].mean * sign, row.label))
    return Leaderboard(
        table, metrics, declared, tuple(rows), analysis, reference if has_reference else None
    )


def _sort_key(value: float, label: str) -> tuple[bool, float, str]:
    return (math.isnan(value), 0.0 if math.isnan(value) else value, label)


def _row(
    label: str,
    runs: pd.DataFrame,
    metrics: tuple[Metric, ...],
    analysis: Analysis,
    scored: Mapping[tuple[str, str], Cell],
) -> Row:
    number = runs["status"].value_counts().to_dict()
    cells = {metric.name: scored.get((label, metric.name), Cell()) for metric in metrics}
    done, diverged, failed = (number.get(s, 0) for s in ("done", "diverged", "failed"))
    return Row(
        label,
        done,
        done + diverged + failed,
        diverged,
        failed,
        number.get("unfinished", 0),
        cells,
        analysis.ranks.get(label),
        analysis.letters.get(label, ""),
        _comparisons(label, analysis.comparisons),
        runs["tuned"].iloc[0],
    )


def _comparisons(label: str, table: pd.DataFrame) -> dict[str, Comparison]:
    if table.empty:
        return {}
    return {
        row.metric: Comparison(
            row.difference, row.low, row.high, row.g, row.p, row.p_holm, bool(row.claimed)
        )
        for row in table[table["label"] == label].itertuples(index=False)
    }


def _summary(boards: Sequence[Leaderboard]) -> Summary | None:
    """Rank methods over data sets; a data set with several protocols counts once."""
    by_dataset: dict[str, Leaderboard] = {}
    for board in boards:
        before = by_dataset.get(board.table.dataset)
        if before is None or len(board.rows) > len(before.rows):
            by_dataset[board.table.dataset] = board
    if len(by_dataset) < 2:
        return None
    metric = boards[0].primary
    scores = pd.DataFrame(
        {
            name: {row.label: row.cells[metric.name].mean for row in board.rows}
            for name, board in by_dataset.items()
        }
    )
    result = across_datasets(scores, larger_is_better=not metric.smaller_is_better)
    kept = {board.table.protocol_hash for board in by_dataset.values()}
    left_out = tuple(b.table.heading for b in boards if b.table.protocol_hash not in kept)
    return Summary(metric, result, tuple(by_dataset), left_out)
