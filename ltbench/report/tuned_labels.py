"""Labels of tuned methods that mean the same in every table: without what tuning found in each."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from ltbench.report.command import typed_algorithm
from ltbench.report.selection import Table, run_label
from ltbench.results.combined import without_choice
from ltbench.results.frame import Runs


def without_found(runs: pd.DataFrame) -> pd.DataFrame:
    """Return runs whose method, if it was tuned, is named as it was before.

    Args:
        runs: rows of :attr:`ltbench.results.frame.Runs.table`.
    """
    tuned = [{**one, "found": {}} if one else one for one in runs["tuned"]]
    methods = [
        typed_algorithm(run) if run["tuned"] else without_choice(run["method"], run["combined"])
        for _, run in runs.iterrows()
    ]
    labels = [run_label(method, one, "") for method, one in zip(methods, tuned, strict=True)]
    lists = {"tuned": tuned, "method": methods, "label": labels}
    return runs.assign(
        **{key: pd.Series(list_, index=runs.index, dtype=object) for key, list_ in lists.items()}
    )


def shared_labels(table: Table) -> dict[str, str]:
    """Return how tables of other data sets name each method of a table, by its label.

    Tuned methods that only what was found tells apart keep their labels.
    """
    rows = table.runs.table.drop_duplicates("label")
    rows = rows[rows["tuned"].astype(bool)]
    shared = without_found(rows)["label"]
    alone = ~shared.duplicated(keep=False)
    own = {label: label for label in table.runs.table["label"]}
    return own | dict(zip(rows["label"][alone], shared[alone], strict=True))


def with_shared_labels(table: Table) -> Table:
    """Return a table with the labels of :func:`shared_labels`."""
    runs = table.runs.table
    renamed = runs.assign(label=runs["label"].map(shared_labels(table)))
    return replace(table, runs=Runs(renamed, table.runs.scores))
