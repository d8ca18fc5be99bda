"""Losses of one model and training set on balanced, long-tailed, head, middle and tail images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ltbench.api import (
    Column,
    FigureData,
    Section,
    UsageError,
    metric,
    name_column,
    section,
    suggestion,
)
from ltbench_tables.backbones import MEASURES, SUBSETS, mean_scores, notes_on, widest_tail


def losses(
    data: FigureData, backbone: str, trained_on: str, measures: Sequence[str]
) -> list[Section]:
    """Return a table for each model and training set: a row a loss, columns of test subsets.

    Args:
        data: runs of one data set.
        backbone: the only model, or empty for each.
        trained_on: the only profile of the training set, or empty for each.
        measures: some of :data:`~ltbench_tables.backbones.MEASURES`, for each subset in turn.

    Raises:
        UsageError: there are no such runs, they are of several data sets, those of one row differ
            in more than their seed, or a measure is unknown.
        DataError: predictions are missing, or do not fit the data set.
    """
    for measure in measures:
        if measure not in MEASURES:
            near = suggestion(measure, MEASURES)
            raise UsageError(
                f"There is no measure '{measure}'{near}: choose of loss, accuracy, f1."
            )
    every = data.done("this table").runs.table
    if len(set(every["dataset"])) > 1:
        raise UsageError("The runs are of several data sets: choose one with --dataset.")
    tail = widest_tail(every)
    chosen = _only(_only(every, "backbone", backbone), "profile", trained_on)
    frame = mean_scores(chosen, tail)
    notes = notes_on(chosen, tail, frame)
    return [
        _section(f"{model} trained on {trained}", part, measures, notes)
        for (model, trained), part in frame.groupby(["model", "trained_on"], sort=False)
    ]


def _only(runs: pd.DataFrame, key: str, wanted: str) -> pd.DataFrame:
    """Return the runs of one backbone or profile, or all where none is wanted."""
    values = runs["backbone"] if key == "backbone" else runs["options"].map(_profile)
    if not wanted:
        return runs
    found = runs[(values == wanted).to_numpy()]
    if found.empty:
        near = suggestion(wanted, sorted(set(values)))
        raise UsageError(f"No run here that is done has the {key} '{wanted}'{near}")
    return found


def _profile(options: dict[str, Any]) -> str:
    return str(options.get("profile", ""))


def _section(
    title: str, frame: pd.DataFrame, measures: Sequence[str], notes: Sequence[str]
) -> Section:
    cells = frame.set_index(["method", "subset", "measure"]).sort_index()
    rows = []
    for method in dict.fromkeys(frame["method"]):
        row: dict[str, Any] = {"method": method, "n": int(cells.loc[method, "n"].max())}
        for subset in SUBSETS:
            for measure in measures:
                mean, width = cells.loc[(method, subset, measure), ["mean", "half_width"]]
                row[f"{subset}_{measure}"] = metric(measure).mean(mean, width)
        rows.append(row)
    columns = {"method": name_column("loss"), "n": Column("n", priority=9)}
    for i, subset in enumerate(SUBSETS):
        for measure in measures:
            head = f"{subset}\n{measure}" if len(measures) > 1 else subset
            columns[f"{subset}_{measure}"] = Column(head, priority=i)
    kept = frame[frame["measure"].isin(measures)]
    what = ", ".join(MEASURES[measure] for measure in measures)
    return section(f"{what}: {title}", kept, columns, notes, pd.DataFrame(rows))
