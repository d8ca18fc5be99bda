"""The predictions of a table's runs, where all of them are of the same test images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ltbench.errors import DataError
from ltbench.evaluation.classification import Counts
from ltbench.report.selection import Table
from ltbench.results.documents import Arrays, read_predictions
from ltbench.stats.image_errors import ImageErrors, image_errors

# Predictions give the score that a run wrote down, up to how it summed.
_ROUNDING = 1e-4


def table_predictions(
    table: Table, labels: Sequence[str]
) -> tuple[dict[str, list[Counts]], Arrays | None, list[str]]:
    """Read the predictions of the runs of a table that are done.

    Args:
        table: the runs.
        labels: the methods, in the order of the result.

    Returns:
        Predictions by method, the first run's arrays as the truth (``None`` where no run has any),
        and what did not fit, in sentences without a full stop.
    """
    if table.joined:
        from ltbench.report.unseen_predictions import joined_predictions

        return joined_predictions(table, labels)
    rows = table.runs.table
    finished = rows[rows["status"] == "done"]
    truth: Arrays | None = None
    problems: list[str] = []
    predictions: dict[str, list[Counts]] = {}
    for label in labels:
        for path in finished["path"][finished["label"] == label]:
            try:
                arrays = read_predictions(Path(path))
            except DataError as error:
                problems.append(str(error))
                continue
            truth = truth or arrays
            if not all(np.array_equal(arrays[n], truth[n]) for n in ("class", "domain")):
                problems.append(f"{path} holds other test images than the rest")
                continue
            predictions.setdefault(label, []).append(arrays["prediction"])
    return predictions, truth, problems


def table_image_errors(table: Table, scores: pd.DataFrame) -> ImageErrors | None:
    """Return the error of a table's test images, or ``None`` where predictions do not tell it.

    They do where every run of each method that has two seeds or more has predictions of the same
    images, which give the scores that it wrote down.

    Args:
        table: the runs.
        scores: those of its metrics, as :meth:`~ltbench.report.selection.Table.long_scores` gives.
    """
    known = scores.dropna(subset=["value"])
    seeds = known.groupby("label")["seed"].nunique()
    labels = list(seeds[seeds >= 2].index)
    if len(labels) < 2:
        return None
    first = table.every_run[table.every_run["status"] == "done"]["path"].iloc[0]
    if not (Path(first) / "predictions.npz").is_file():
        return None
    predictions, truth, problems = table_predictions(table, labels)
    if truth is None or problems or not len(truth["class"]):
        return None
    errors = image_errors(predictions, truth["class"], truth["domain"])
    if errors is None:
        return None
    means = known.groupby(["metric", "label"])["value"].mean()
    wrong: list[str] = []
    for metric, values in errors.values.items():
        if metric in means.index.get_level_values("metric"):
            written = means[metric].reindex(errors.names).to_numpy(dtype=float)
            if not np.allclose(written, values, rtol=0, atol=_ROUNDING):
                wrong.append(metric)
    if wrong and not (table.joined and all(metric.endswith("_worst") for metric in wrong)):
        return None
    # The worst domain of a mean over several models is not the mean of each model's worst.
    known_of = {m: found for m, found in errors.covariances.items() if m not in wrong}
    return replace(errors, covariances=known_of)


def first_stages(table: Table) -> dict[str, str]:
    """Return what each method of a table trained first: "erm" of "erm+crt" and of "erm"."""
    methods = table.runs.table.drop_duplicates("label")
    first = re.compile(r"(?:[^+\[]|\[[^\]]*\])*")
    return {
        label: (found[0] if (found := first.match(method)) else method)
        for label, method in zip(methods["label"], methods["method"], strict=True)
    }
