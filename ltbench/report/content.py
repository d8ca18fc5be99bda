"""What a leaderboard says, before any format: tables of rows, and the summary across data sets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from ltbench.plugins.spelling import spelled
from ltbench.report.metrics import DECLARED_METRICS, Metric, choose_metrics
from ltbench.report.predictions import first_stages, table_image_errors
from ltbench.report.selection import Table, run_label, split_tables
from ltbench.report.shared_stages import sharing_methods
from ltbench.report.summary import Summary, sort_key, summarise
from ltbench.report.unseen import join_tables
from ltbench.results.frame import Runs
from ltbench.results.labels import budget_words, tuning_cell
from ltbench.stats.claims import Analysis, analyse
from ltbench.stats.intervals import mean_interval
from ltbench.stats.intervals import summarise as over_seeds

if TYPE_CHECKING:
    from ltbench.report.priors import PriorTable


@dataclass(frozen=True)
class Score:
    """One method's score on one metric.

    Attributes:
        mean: over the seeds that have it; NaN where none has.
        half_width: of the 95 % t-interval; NaN for fewer than two seeds.
        values: (seed, value) of each run.
        low, high: the 95 % interval, which does not leave the scale of a share (see
            :func:`~ltbench.stats.intervals.share_interval`); NaN where there is none, which is also
            where all seeds agree.
    """

    mean: float = math.nan
    half_width: float = math.nan
    values: tuple[tuple[int, float], ...] = ()
    low: float = math.nan
    high: float = math.nan

    @property
    def lopsided(self) -> bool:
        """Whether the interval is not the mean ± its half-width, as near the end of a scale."""
        return not math.isnan(self.low) and not math.isclose(self.mean - self.low, self.half_width)


@dataclass(frozen=True)
class Comparison:
    """A method against the reference on one metric; differences are in the metric's own unit.

    ``paired`` says that t is of the differences seed by seed.
    """

    difference: float
    low: float
    high: float
    g: float
    p: float
    p_holm: float
    claimed: bool
    paired: bool = False


@dataclass(frozen=True)
class Row:
    """One method of a table.

    Attributes:
        method: the algorithm with its stages and what differs from the defaults, as typed.
        algo: the algorithm with its stages alone.
        tuned: how it was tuned, with what was ``found`` of the protocol; empty where it was not.
        variant: digits of the hash, where another row has the same method and budget.
        done: seeds with a result; ``started`` counts those that failed or diverged too.
        combined: what a row was made of that no test includes, as in a ``RunRecord``.
        ranks: lowest and highest rank it could hold on the primary metric, where testable.
    """

    method: str
    algo: str
    tuned: dict[str, Any]
    variant: str
    done: int
    started: int
    diverged: int
    failed: int
    unfinished: int
    cells: dict[str, Score]
    ranks: tuple[int, int] | None
    letters: str
    comparisons: dict[str, Comparison]
    combined: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name of the row."""
        return run_label(self.method, self.tuned, self.variant)

    @property
    def paired(self) -> bool:
        """Whether it is compared with the reference seed by seed."""
        return any(comparison.paired for comparison in self.comparisons.values())

    @property
    def settings(self) -> str:
        """Where they come from: "default", "set by hand" or "tuned: 16 trials of hparams, lr"."""
        if self.combined:
            return f"{self.combined['kind']} of runs"
        if self.tuned:
            return tuning_cell(self.tuned)
        return "default" if self.method == self.algo else "set by hand"

    @property
    def budget(self) -> str:
        """What was spent on its settings: "no search", or "16 trials of hparams, lr"."""
        if not self.tuned:
            return "no search"
        return budget_words({**self.tuned, "seed": 0}, hparams=True).removeprefix("tuned: ")


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

    Attributes:
        declared: the metrics that carry claims.
        disputed: base names of metrics about which the runs disagree.
        images: the bootstrap over test images where it was asked for.
        priors: the methods under other distributions of the classes, where that was asked for.
    """

    table: Table
    metrics: tuple[Metric, ...]
    declared: tuple[Metric, ...]
    rows: tuple[Row, ...]
    analysis: Analysis
    reference: str | None
    disputed: tuple[str, ...] = ()
    images: ImageIntervals | None = None
    priors: PriorTable | None = None

    @property
    def tuned(self) -> bool:
        """Whether any row was tuned."""
        return any(row.tuned for row in self.rows)

    @property
    def budgets(self) -> dict[str, list[str]]:
        """The labels of the rows by their budgets, the first row's first."""
        found: dict[str, list[str]] = {}
        for row in self.rows:
            found.setdefault(row.budget, []).append(row.label)
        return found

    @property
    def primary(self) -> Metric:
        """Return the metric that sorts the rows and ranks the methods."""
        return self.metrics[0]


@dataclass(frozen=True)
class Content:
    """All tables of a report; ``unreadable`` lists (path, reason) of folders passed over.

    ``merged`` are the sentences of :func:`ltbench.report.merging.merge`.
    """

    boards: tuple[Leaderboard, ...]
    summary: Summary | None
    unreadable: tuple[tuple[str, str], ...] = ()
    merged: tuple[str, ...] = ()


def build(
    runs: Runs,
    *,
    metrics: Sequence[str] | None = None,
    reference: str = "erm",
    unreadable: Sequence[tuple[str, str]] = (),
    join: bool = True,
    fewest: int = 2,
) -> Content:
    """Return the leaderboards of these runs.

    Args:
        runs: readable runs, already filtered.
        metrics: columns, the first of which sorts; ``None`` for the default ones.
        reference: the label that the others are compared with, in tables that have it, or the
            algorithm of the one tuned row that is.
        unreadable: folders passed over, to be mentioned.
        join: whether runs that differ in their one unseen domain alone are one table.
        fewest: unseen domains that there must be runs of for that.

    Raises:
        UsageError: a metric is in no run.
    """
    known = runs.scores.columns[runs.scores.notna().any()]
    columns = choose_metrics(metrics, known)
    tables = join_tables(split_tables(runs), fewest) if join else split_tables(runs)
    boards = tuple(
        _board(table, _columns(table, columns, typed=bool(metrics)), reference) for table in tables
    )
    return Content(boards, summarise(tables, columns[0]), tuple(unreadable))


def _columns(table: Table, names: Sequence[str], *, typed: bool) -> Sequence[str]:
    """Return the metrics of a table; the first one also on each unseen domain, where all are.

    Those that nobody typed are left out there if no run has them.
    """
    if table.joined is None:
        return names
    scores = table.runs.scores
    there = [name for name in names if typed or (name in scores and scores[name].notna().any())]
    first, *others = there or names
    return (first, *table.joined.columns(first), *others)


def _board(table: Table, names: Sequence[str], reference: str) -> Leaderboard:
    metrics = tuple(map(table.metric, names))
    primary = metrics[0]
    declared = tuple(m for m in metrics if m.name in DECLARED_METRICS or m is primary)
    scores = table.long_scores([m.name for m in metrics])
    trained = table.trained()  # tests need seeds that are independent of one another
    tested = scores[scores["label"].isin(trained.runs.table["label"])]
    labels = set(tested["label"])
    reference = _reference(reference, trained, labels)
    has_reference = reference in labels
    analysis = analyse(
        tested,
        primary=primary.name,
        declared=[m.name for m in declared],
        reference=reference if has_reference else None,
        smaller_is_better=[m.name for m in metrics if m.smaller_is_better],
        images=table_image_errors(trained, tested),
        first_stages=first_stages(trained),
        shared=sharing_methods(trained, reference) if has_reference else (),
    )
    analysis = replace(analysis, summary=over_seeds(scores))
    values: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for label, seed, name, value in scores.dropna().itertuples(index=False):
        values.setdefault((label, name), []).append((seed, value))
    scored = {
        key: _scored(line["mean"], line["half_width"], values[key], table.metric(key[1]))
        for key, line in analysis.summary.to_dict("index").items()
    }
    rows = [
        _row(group, metrics, analysis, scored)
        for _, group in table.runs.table.groupby("label", sort=False)
    ]
    rows.sort(key=lambda row: sort_key(-_merit(primary, row), row.label))
    known = reference if has_reference else None
    _, disputed = table.measures
    return Leaderboard(table, metrics, declared, tuple(rows), analysis, known, tuple(disputed))


def _reference(name: str, table: Table, labels: set[str]) -> str:
    """Return the label of the reference; the tuned row of that algorithm where there is no other.

    Args:
        name: a label, or an algorithm.
        table: the runs.
        labels: of those that have a score.
    """
    label = spelled(name, labels)
    if label in labels:
        return label
    runs = table.runs.table
    tuned = runs["label"][(runs["algo"] == label) & runs["tuned"].astype(bool)]
    found = [other for other in dict.fromkeys(tuned) if other in labels]
    return found[0] if len(found) == 1 else label


def _scored(
    mean: float, half_width: float, values: Sequence[tuple[int, float]], metric: Metric
) -> Score:
    interval = mean_interval(mean, half_width, share=metric.in_percent)
    return Score(mean, half_width, tuple(values), *interval)


def _merit(metric: Metric, row: Row) -> float:
    """Return a mean of which more is better."""
    mean = row.cells[metric.name].mean
    return -mean if metric.smaller_is_better else mean


def _row(
    runs: pd.DataFrame,
    metrics: tuple[Metric, ...],
    analysis: Analysis,
    scored: Mapping[tuple[str, str], Score],
) -> Row:
    first = runs.iloc[0]
    label = first["label"]
    number = runs["status"].value_counts().to_dict()
    done, diverged, failed = (number.get(s, 0) for s in ("done", "diverged", "failed"))
    return Row(
        method=first["method"],
        algo=first["algo"],
        tuned=first["tuned"],
        variant=first["variant"],
        done=done,
        started=done + diverged + failed,
        diverged=diverged,
        failed=failed,
        unfinished=number.get("unfinished", 0),
        cells={metric.name: scored.get((label, metric.name), Score()) for metric in metrics},
        ranks=analysis.ranks.get(label),
        letters=analysis.letters.get(label, ""),
        comparisons=_comparisons(label, analysis.comparisons),
        combined=first["combined"],
    )


def _comparisons(label: str, table: pd.DataFrame) -> dict[str, Comparison]:
    if table.empty:
        return {}
    names = [one.name for one in fields(Comparison)]
    return {
        line["metric"]: Comparison(**{name: line[name] for name in names})
        for line in table[table["label"] == label].to_dict("records")
    }
