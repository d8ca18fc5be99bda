"""Each method against the reference across data sets, as a table of ``ltbench stats``."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

import pandas as pd

from ltbench.report.content import Content
from ltbench.report.metrics import Metric
from ltbench.report.section import Column, Section, fixed, name_column, remark, section
from ltbench.report.summary import Summary
from ltbench.report.tuned_labels import shared_labels
from ltbench.stats.across import FEWEST_DATASETS
from ltbench.stats.across_pairs import FEWEST_FOR_VERDICT, SURE, across_pair
from ltbench.stats.groups import FloatArray

DEFAULT_ROPE = 0.01
"""Shares that differ by less than a point are practically equal, unless told otherwise."""

_Seeds = dict[str, list[FloatArray]]


def pairs_section(content: Content, summary: Summary, rope: float | None) -> Section:
    """Return each method's difference from the reference over all data sets.

    Args:
        content: the leaderboards, which know their references.
        summary: the methods across their data sets.
        rope: means that differ by less are practically equal; ``None`` for the default.
    """
    metric, datasets = summary.metric, len(summary.tables)
    title = f"Pairs across data sets, {metric.words}"
    complete = list(summary.result.ranks.index)
    known = (shared_labels(b.table)[b.reference] for b in content.boards if b.reference)
    reference = next((label for label in known if label in complete), None)
    if reference is None or len(complete) < 2:
        return remark(
            title,
            "It takes a reference and another method with a score on every data set; choose the "
            "reference with --reference.",
        )
    if rope is None and metric.in_percent:
        rope = DEFAULT_ROPE
    seeds = _scores_by_method(summary, complete)
    order = summary.result.mean_ranks.index if len(summary.result.mean_ranks) else complete
    pairs = [
        across_pair(
            str(name),
            seeds[name],
            seeds[reference],
            rope=rope,
            larger_is_better=not metric.smaller_is_better,
        )
        for name in order
        if name != reference
    ]
    frame = pd.DataFrame([asdict(pair) for pair in pairs])
    frame.insert(1, "reference", reference)
    frame["rope"] = rope
    notes = [*_notes(reference, metric, rope), *_gaps(frame, datasets, metric, rope)]
    return section(title, frame, _columns(reference, metric), notes)


def _columns(reference: str, metric: Metric) -> dict[str, Column]:
    points = partial(metric.number, sign=True)
    return {
        "method": name_column("method"),
        "difference": Column(f"minus\n{reference}", points, 0),
        "low": Column("low", points),
        "high": Column("high", points),
        "improvement": Column("probability of\nimprovement", fixed(2), 2),
        "worse": Column("P\nworse", fixed(2), 1),
        "equal": Column("P practically\nequal", fixed(2), 1),
        "better": Column("P\nbetter", fixed(2), 1),
        "verdict": Column("verdict", priority=0, text=True),
    }


def _scores_by_method(summary: Summary, methods: list[str]) -> _Seeds:
    """Return each method's scores over seeds, an array for each data set."""
    found: _Seeds = {name: [] for name in methods}
    for table in summary.tables:
        scores = table.long_scores([summary.metric.name]).dropna(subset=["value"])
        by_label = {str(label): group for label, group in scores.groupby("label")["value"]}
        for name in methods:
            found[name].append(by_label[name].to_numpy(dtype=float))
    return found


def _notes(reference: str, metric: Metric, rope: float | None) -> list[str]:
    notes = [
        f"minus {reference}: the mean over data sets of the differences of means over seeds, with "
        "a 95 % interval from seeds drawn anew within each data set and method (bootstrap): about "
        "other seeds on these data sets. Probability of improvement: how often a run of the method "
        f"scores better than one of {reference} on the same data set, ties half; without an "
        "interval, because the bootstrap's does not hold with few seeds.",
    ]
    if rope is not None:
        unit = "points" if metric.in_percent else (metric.unit or f"of {metric.measure}")
        notes.append(
            f"P worse, practically equal, better than {reference}: Bayesian signed-rank test over "
            f"data sets, where differences within ±{metric.number(rope)} {unit} (--rope) are "
            f"practically equal. Verdict: what has P of {SURE:g} or more, on {FEWEST_FOR_VERDICT} "
            "data sets or more, each method for itself; none means not known, not equal."
        )
    return notes


def _gaps(frame: pd.DataFrame, datasets: int, metric: Metric, rope: float | None) -> list[str]:
    notes = []
    if frame["low"].isna().any():
        notes.append(
            "—: no interval where a method has one seed on some data set, or all seeds agree."
        )
    if rope is None:
        notes.append(
            f"No signed-rank test: say with --rope which difference in {metric.words} is "
            "practically none."
        )
    elif datasets < FEWEST_DATASETS:
        notes.append(
            f"No signed-rank test: it takes {FEWEST_DATASETS} data sets or more, and there are "
            f"{datasets}."
        )
    elif datasets < FEWEST_FOR_VERDICT:
        notes.append(
            f"No verdict on {datasets} data sets: all of them may lie on one side by chance."
        )
    return notes
