"""The methods across data sets: which tables stand for which data set, and their ranks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from ltbench.errors import DataError
from ltbench.report.metrics import Metric
from ltbench.report.selection import Table
from ltbench.report.tuned_labels import with_shared_labels
from ltbench.stats.across import AcrossDatasets, across_datasets

Kind = tuple[str, str, bool]


@dataclass(frozen=True)
class Summary:
    """The methods across data sets, on the primary metric.

    Attributes:
        left_out: tables of data sets that another protocol already stands for.
        tables: the table of each data set, with labels that mean the same method in all of them.
        block: what a column is of: a data set, or an unseen domain.
    """

    metric: Metric
    result: AcrossDatasets
    datasets: tuple[str, ...]
    left_out: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    block: str = "data set"


def sort_key(value: float, label: str) -> tuple[bool, float, str]:
    """Return what sorts from below, with missing values last and equal ones by name."""
    return (math.isnan(value), 0.0 if math.isnan(value) else value, label)


def summarise(tables: Sequence[Table], metric: str) -> Summary | None:
    """Rank methods over data sets; one under several protocols, or with several options, is one.

    What was made of other runs is passed over. Only tables of one evaluation scheme and one way of
    choosing models are compared: of those that most data sets have.

    What tuning found is no part of a label here, as it may find something else for each data set.

    Args:
        tables: of :func:`~ltbench.report.unseen.join_tables`.
        metric: the name of the metric that ranks.

    Returns:
        The summary, or ``None`` for runs of one data set.
    """
    tables = [one for one in (table.trained() for table in tables) if len(one.runs.table)]
    by_kind: dict[Kind, dict[tuple[str, ...], Table]] = {}
    for table in tables:
        by_source = by_kind.setdefault(table.scheme.kind, {})
        source = _source(table)
        before = by_source.get(source)
        if before is None or len(table.labels()) > len(before.labels()):
            by_source[source] = table
    by_source = max(by_kind.values(), key=len, default={})
    if len(by_source) < 2:
        return None
    chosen = {
        _unique_name(table, by_source.values()): with_shared_labels(table)
        for table in by_source.values()
    }
    scores = pd.DataFrame({name: _merits(t, metric) for name, t in chosen.items()})
    kept = {table.protocol_hash for table in chosen.values()}
    left_out = tuple(table.heading for table in tables if table.protocol_hash not in kept)
    return Summary(
        tables[0].metric(metric),
        across_datasets(scores),
        tuple(chosen),
        left_out,
        tuple(chosen.values()),
    )


def across_domains(table: Table, metric: str) -> Summary | None:
    """Rank methods over the unseen domains of a table of each of them; ``None`` for others."""
    names = table.joined.columns(metric) if table.joined else ()
    table = table.trained()
    if table.joined is None:
        return None
    scores = table.long_scores(names).dropna(subset=["value"])
    means = scores.groupby(["label", "metric"])["value"].mean().unstack("metric")
    wide = means.reindex(index=list(_merits(table, metric)), columns=list(names))
    wide.columns = pd.Index(table.joined.domains)
    shown = table.metric(metric)
    larger = not shown.smaller_is_better
    result = across_datasets(wide, larger_is_better=larger, block="unseen domain")
    return Summary(shown, result, table.joined.domains, (), block="unseen domain")


def _source(table: Table) -> tuple[str, ...]:
    """Return what tells data sets apart that are independent evidence: name and classes.

    Another seed, ratio or held-out domain of a data set has the same images in other numbers; the
    same kind of folder with other classes has other images.
    """
    name = str(table.runs.table["dataset"].iloc[0])
    try:
        return name, *table.facts()["classes"]
    except DataError:
        return (name,)


def _unique_name(table: Table, others: Iterable[Table]) -> str:
    """Return the data set's name, with digits of the protocol's hash where it is not the only."""
    alone = sum(other.dataset == table.dataset for other in others) == 1
    return table.dataset if alone else table.short


def _merits(table: Table, metric: str) -> dict[str, float]:
    """Return each method's mean, of which more is better, the best first."""
    means = table.long_scores([metric]).groupby("label")["value"].mean()
    sign = -1 if table.metric(metric).smaller_is_better else 1
    merits = {label: sign * float(means.get(label, math.nan)) for label in table.labels()}
    return dict(sorted(merits.items(), key=lambda item: sort_key(-item[1], item[0])))
