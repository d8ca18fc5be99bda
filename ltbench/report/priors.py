"""The table of a leaderboard under other distributions of the classes: rows, cells and notes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ltbench.errors import DataError
from ltbench.report.metrics import metric
from ltbench.report.prior_scores import CORRECTIONS, prior_scores
from ltbench.report.section import Cell, Column, Grid, name_column
from ltbench.stats.intervals import half_width, share_interval
from ltbench.stats.priors import Prior

if TYPE_CHECKING:
    from ltbench.report.content import Leaderboard, Score

_SHOWN = metric("accuracy")
_MEANINGS = {
    "known": "prior known: answers by z + log q − log π, with the true q.",
    "mlls": "prior by MLLS: q estimated from the unlabelled test images by EM (Saerens et al. "
    "2002; Alexandari et al. 2020), then as with a known one.",
    "bbse": "prior by BBSE: q estimated from the answers to test images and the confusion matrix "
    "of the validation images (Lipton et al. 2018), then as with a known one.",
}
_MODEL = {
    "train": "In corrections π is the distribution of the training images, for which plain "
    "cross-entropy learns; methods that balance classes while they train do for the uniform one "
    "(--model-prior uniform, or validation, which fits).",
    "uniform": "In corrections π is uniform, for which methods learn that balance classes while "
    "they train; plain cross-entropy does for that of the training images (--model-prior train).",
    "validation": "In corrections z is the logits over a temperature, plus a bias of each class, "
    "fitted on a run's validation images for the uniform distribution, which π is (bias-corrected "
    "temperature scaling, Alexandari et al. 2020).",
}


@dataclass(frozen=True)
class PriorRow:
    """A method under each distribution, as it answers or corrected.

    Attributes:
        method: the label of the leaderboard's row.
        correction: how it was corrected, of :data:`CORRECTIONS`; empty where it was not.
        cells: scores by distribution.
        image_errors: the standard error over test images of one run.
        distances: total variation between estimate and truth, mean over seeds.
    """

    method: str
    correction: str
    cells: dict[str, Score]
    image_errors: dict[str, float]
    distances: dict[str, float]

    @property
    def label(self) -> str:
        """The name of the row."""
        words = CORRECTIONS.get(self.correction)
        return f"{self.method}, {words}" if words else self.method


@dataclass(frozen=True)
class PriorTable:
    """A leaderboard's methods under distributions of the classes.

    Attributes:
        priors: probabilities of the classes by name.
        rows: in the leaderboard's order, each method's corrections below it.
        problems: what is missing, in sentences without a full stop.
    """

    priors: dict[str, Any]
    rows: tuple[PriorRow, ...]
    corrections: tuple[str, ...] = ()
    model_prior: str = "train"
    problems: tuple[str, ...] = ()
    untested: tuple[str, ...] = ()


def prior_table(
    board: Leaderboard,
    priors: Sequence[Prior],
    corrections: Sequence[str] = (),
    model_prior: str = "train",
) -> PriorTable:
    """Read the runs of a leaderboard and return their accuracies under distributions.

    Args:
        board: the leaderboard.
        priors: the distributions.
        corrections: see :data:`CORRECTIONS`.
        model_prior: see :func:`~ltbench.report.prior_scores.prior_scores`.

    Raises:
        UsageError: a file's classes are not those of the data set.
    """
    try:
        found = prior_scores(board.table, priors, corrections, model_prior)
        facts = board.table.facts()
    except DataError as error:
        return PriorTable({}, (), problems=(str(error),))
    parts = [part.facts()["counts"]["test"].sum(axis=0) for part in board.table.parts]
    tested = np.min(parts, axis=0)
    untested = [name for name, count in zip(facts["classes"], tested, strict=True) if not count]
    groups = dict(iter(found.frame.groupby(["label", "correction"])))
    rows = [
        _row(row.label, correction, groups[row.label, correction])
        for row in board.rows
        for correction in ("", *corrections)
        if (row.label, correction) in groups
    ]
    return PriorTable(
        found.priors, tuple(rows), tuple(corrections), model_prior, found.problems, tuple(untested)
    )


def _row(label: str, correction: str, lines: pd.DataFrame) -> PriorRow:
    by_prior = {str(name): group for name, group in lines.groupby("prior", sort=False)}
    return PriorRow(
        label,
        correction,
        {name: _score(group) for name, group in by_prior.items()},
        {name: _root_mean_square(group["image_error"]) for name, group in by_prior.items()},
        {name: float(group["distance"].mean()) for name, group in by_prior.items()},
    )


def _score(lines: pd.DataFrame) -> Score:
    from ltbench.report.content import Score

    known = lines.dropna(subset=["accuracy"]).sort_values("seed")
    if known.empty:
        return Score()
    values = known["accuracy"].to_numpy(dtype=float)
    mean, half = float(values.mean()), half_width(values)
    seeds = tuple(zip(map(int, known["seed"]), map(float, values), strict=True))
    return Score(mean, half, seeds, *share_interval(mean, half))


def _root_mean_square(errors: pd.Series) -> float:
    return float(np.sqrt((errors**2).mean()))


def standard_error(score: Score) -> float:
    """Return the standard error over seeds of a mean; NaN for fewer than two."""
    values = np.array([value for _, value in score.values])
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def priors_grid(board: Leaderboard) -> Grid | None:
    """Return accuracy under each distribution, a row for each method and correction."""
    from ltbench.report.grid import cell_text

    found = board.priors
    if found is None or not found.rows:
        return None
    done = {row.label: row for row in board.rows}
    columns = [name_column("method")]
    columns += [Column(name, priority=i) for i, name in enumerate(found.priors)]
    body = []
    for row in found.rows:
        line: list[str] = [row.label]
        for name in found.priors:
            cell = row.cells[name]
            seeds = "\n".join(f"seed {seed}: {_SHOWN.number(value)}" for seed, value in cell.values)
            value = "" if math.isnan(cell.mean) else repr(cell.mean)
            line.append(Cell(cell_text(_SHOWN, cell, done[row.method]), value, seeds))
        body.append(tuple(line))
    title = "Accuracy under other distributions of the test images' classes (--test-prior)"
    return Grid(tuple(columns), tuple(body), title=title)


def priors_notes(board: Leaderboard) -> list[str]:
    """Return what the table holds, and what it lacks."""
    found = board.priors
    if found is None:
        return []
    notes = []
    if found.rows:
        notes.append(_what(found))
        notes += [_MEANINGS[name] for name in found.corrections]
        if found.corrections:
            notes.append(_MODEL[found.model_prior])
            notes += _distances(found)
    if lacking := _lacking(found):
        notes.append(lacking)
    if found.problems:
        more = f" (and {len(found.problems) - 1} more)" if len(found.problems) > 1 else ""
        notes.append(f"Not under other distributions: {found.problems[0]}{more}.")
    return notes


def _what(found: PriorTable) -> str:
    errors = [e for row in found.rows for e in row.image_errors.values() if not math.isnan(e)]
    range_ = ""
    if errors:
        low, high = (_SHOWN.number(end) for end in (min(errors), max(errors)))
        range_ = f"; the standard error of a run over test images is {low} to {high} points"
    slopes = any(name.startswith(("forward-", "backward-")) for name in found.priors)
    return (
        "Other distributions q: accuracy is Σ q_c · recall_c, exact for these test images, with "
        "the recall of a class as its mean over the domains that have test images of it"
        + ("; forward-R falls from the class with most training images to that with fewest, "
           "R to 1, backward-R rises" if slopes else "")
        + f". ± as above, over seeds{range_}."
    )  # fmt: skip


def _distances(found: PriorTable) -> list[str]:
    words = []
    for name in found.corrections:
        away = [d for row in found.rows if row.correction == name for d in row.distances.values()]
        if known := [d for d in away if not math.isnan(d)]:
            words.append(
                f"{sum(known) / len(known):.2f} ({CORRECTIONS[name].removeprefix('prior by ')})"
            )
    if not words:
        return []
    return [f"Estimates of q are off by a mean total variation of {' and '.join(words)}."]


def _lacking(found: PriorTable) -> str:
    missing = any(math.isnan(cell.mean) for row in found.rows for cell in row.cells.values())
    if not (found.untested and missing):
        return ""
    more = f" and {len(found.untested) - 1} more" if len(found.untested) > 1 else ""
    return (
        f"—: class '{found.untested[0]}'{more} has no test image, so accuracy is not known where "
        "it has a probability."
    )


def priors_document(found: PriorTable) -> dict[str, Any]:
    """Return the table for JSON; shares are fractions."""
    return {
        "priors": {name: list(map(float, q)) for name, q in found.priors.items()},
        "model_prior": found.model_prior,
        "rows": [
            {
                "label": row.label,
                "method": row.method,
                "correction": row.correction,
                "cells": {name: _cell(row, name) for name in found.priors},
            }
            for row in found.rows
        ],
        "problems": list(found.problems),
    }


def _cell(row: PriorRow, name: str) -> dict[str, Any]:
    score = row.cells[name]
    return {
        "mean": score.mean,
        "half_width": score.half_width,
        "standard_error": standard_error(score),
        "standard_error_images": row.image_errors[name],
        "estimate_distance": row.distances[name],
        "values": [list(pair) for pair in score.values],
    }


def priors_columns(found: PriorTable, method: str) -> dict[str, object]:
    """Return a method's part of the row of CSV."""
    flat: dict[str, object] = {}
    for row in (row for row in found.rows if row.method == method):
        for name in found.priors:
            start = "_".join(filter(None, ("prior", name, row.correction)))
            cell = _cell(row, name)
            flat[f"{start}_n"] = len(cell["values"])
            kept = ["mean", "half_width", "standard_error", "standard_error_images"]
            kept += ["estimate_distance"] if row.correction not in ("", "known") else []
            flat |= {f"{start}_{key}": cell[key] for key in kept}
    return flat
