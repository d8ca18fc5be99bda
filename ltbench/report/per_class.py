"""How a run does on each class: recall, precision, F1, images and shot, from its test answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ltbench.errors import UsageError, suggestion
from ltbench.evaluation.classification import mean_of_present
from ltbench.plugins.predictions import Predictions
from ltbench.plugins.shots import SHOTS
from ltbench.plugins.spelling import spelled
from ltbench.report.section import Column, Report, Section, name_column, section, whole
from ltbench.report.stored_metrics import read_answers
from ltbench.results.documents import read_data_facts
from ltbench.results.untrusted import clean

ORDERS = ("class", "recall", "precision", "f1", "support", "train")
"""What the classes may be sorted by."""
EACH = "each"
"""Stands for every domain."""
_LARGEST_FIRST = ("support", "train")


def per_class(
    folder: Path, label: str, *, domains: Sequence[str] = (), sort: str = "class"
) -> Report:
    """Return a table of the classes of a run, of all its test images or of each domain's.

    Args:
        folder: of the run.
        label: the run's name, for headings.
        domains: names of domains, each of which gets a table; ``each`` for all of them; none for
            one table of all test images.
        sort: one of :data:`ORDERS`: scores ascending, the worst class first, images descending.

    Raises:
        UsageError: there is no such domain among the test images.
        DataError: the run kept no answers, or they do not fit it.
    """
    facts = read_data_facts(folder)
    answers = read_answers(folder, probabilities=False).predictions
    classes = [clean(name) for name in facts["classes"]]
    known = [clean(name) for name in facts["domains"]]
    trained = facts["counts"].get("train", answers.counts).sum(axis=0)
    parts = [
        class_section(f"{label}: classes of all test images", answers, classes, trained, sort=sort)
    ]
    if domains:
        tested = answers.by_domain()
        chosen = _chosen(domains, [known[d] for d in tested])
        parts = [
            class_section(
                f"{label}: classes in {known[d]}",
                part,
                classes,
                part.counts[d],
                sort=sort,
                domain=known[d],
            )
            for d, part in tested.items()
            if known[d] in chosen
        ]
    return Report(
        tuple(parts),
        title="Classes",
        frame=lambda: pd.concat([part.frame for part in parts], ignore_index=True),
    )


def _chosen(wanted: Sequence[str], tested: Sequence[str]) -> set[str]:
    """Return the domains that are meant.

    Raises:
        UsageError: one of them is not among those with test images.
    """
    names = [spelled(name, tested) for name in wanted]
    if EACH in names and EACH not in tested:
        return set(tested)
    for name in names:
        if name not in tested:
            raise UsageError(
                f"No test image of this run is of the domain '{name}', only of "
                f"{', '.join(tested)}{suggestion(name, tested)}"
            )
    return set(names)


def class_table(
    answers: Predictions, classes: Sequence[str], trained: NDArray[Any], domain: str = ""
) -> pd.DataFrame:
    """Return a row for each class; shares are in 0…1, NaN where nothing is there to compute one.

    Columns: ``domain``, where one is given; ``class``; ``recall``, the share of right answers on
    its images; ``precision``, the share of right ones among the images that were taken for it;
    ``f1``, 2 TP / (2 TP + FP + FN) where it has images; ``support``, its test images; ``train``,
    its training images; ``shot``, of one domain ``many``, ``medium``, ``few`` or ``zero``, of
    several how many of its domain-class pairs are which. Of a domain that was kept from training,
    training images are those of the training domains.

    Args:
        answers: of one domain or of several.
        classes: their names.
        trained: training images of each class, (C,).
        domain: the domain's name, where the answers are of one.
    """
    number = len(classes)
    y, guess = answers.y, answers.prediction
    hits, actual, taken = (
        np.bincount(which, minlength=number) for which in (y[answers.correct], y, guess)
    )
    # Pairs of a domain without test images have no part in what the table shows.
    pairs = answers.counts[np.unique(answers.d)].T.tolist()
    return pd.DataFrame(
        {
            **({"domain": domain} if domain else {}),
            "class": list(classes),
            "recall": _ratio(hits, actual),
            "precision": _ratio(hits, taken),
            "f1": np.where(actual > 0, _ratio(2 * hits, actual + taken), np.nan),
            "support": actual,
            "train": trained,
            "shot": [_shot([answers.shots.shot(n) for n in pair]) for pair in pairs],
        }
    )


def class_section(
    title: str,
    answers: Predictions,
    classes: Sequence[str],
    trained: NDArray[Any],
    *,
    sort: str,
    domain: str = "",
) -> Section:
    """Return :func:`class_table` for readers, with what all classes have in common below it."""
    frame = class_table(answers, classes, trained, domain)
    if sort != "class":
        frame = frame.sort_values(sort, ascending=sort not in _LARGEST_FIRST, kind="stable")
    columns = {
        "class": name_column("class"),
        **{name: Column(head, _percent) for name, head in _SHARES.items()},
        "support": Column("support", whole),
        "train": Column("train", whole),
        "shot": name_column("shot", priority=2),
    }
    return section(title, frame, columns, _notes(answers, frame))


_SHARES = {"recall": "recall", "precision": "precision", "f1": "F1"}


def _notes(answers: Predictions, frame: pd.DataFrame) -> list[str]:
    """Return what all classes have in common, and what the columns hold."""
    recalls, f1 = frame["recall"].to_numpy(), frame["f1"].to_numpy()
    absent = int(np.isnan(recalls).sum())
    notes = [
        f"All {len(answers):,} images: accuracy {_percent(float(answers.correct.mean()))}, "
        f"balanced accuracy {_percent(mean_of_present(recalls))}, "
        f"macro-F1 {_percent(mean_of_present(f1))}.",
        "Recall, precision and F1 in %; support: test images, train: training images; "
        f"shot by those in a domain: {answers.shots.words}.",
    ]
    if absent:
        notes.append(
            f"—: no test image is of the class (recall and F1; {absent} of {len(frame)} classes)."
        )
    if frame["precision"].isna().any():
        notes.append("—: no test image was taken for the class (precision).")
    return notes


def _shot(shots: Sequence[str]) -> str:
    """Return "few", or of several domains "1 many, 2 few"."""
    if len(shots) == 1:
        return shots[0]
    number = Counter(shots)
    return ", ".join(f"{number[name]} {name}" for name in SHOTS if number[name])


def _percent(share: float) -> str:
    return "—" if np.isnan(share) else f"{100 * share:.1f}"


def _ratio(part: NDArray[Any], of: NDArray[Any]) -> NDArray[np.float64]:
    return np.divide(part, of, out=np.full(len(part), np.nan), where=of > 0)
