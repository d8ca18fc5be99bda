"""Models × losses × training sets on balanced, long-tailed, head, middle and tail test images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ltbench.api import (
    Column,
    DataError,
    FigureData,
    Section,
    ShotRule,
    UsageError,
    accuracy,
    confusion_matrix,
    dataset_names,
    half_width,
    metric,
    name_column,
    read_data_facts,
    read_predictions,
    section,
    weighted_f1,
)

SUBSETS = ("balanced", "long-tailed", "head", "middle", "tail")
MEASURES = {"accuracy": "Top-1 accuracy", "f1": "F1, weighted by images", "loss": "Loss"}
Mask = NDArray[np.bool_]
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Profile:
    """The long tail that defines the test subsets: training images (domains, classes)."""

    train: NDArray[np.int64]
    many: float
    few: float
    source: str

    @property
    def shots(self) -> ShotRule:
        """The thesis's rule, by which a class of exactly ``few`` images belongs to the tail."""
        return ShotRule(self.many, self.few)


def backbones(data: FigureData) -> list[Section]:
    """Return one table for each of top-1 accuracy, F1 and loss, over the runs of one data set.

    The test subsets are those of the thesis's tables: the whole test set where it is balanced; its
    first max(1, ⌊n · p_c / p_max⌋) images of each class c, p being the training images of the most
    imbalanced training set among the runs; and the parts of that whose classes have many, medium or
    few training images there.

    Raises:
        UsageError: the runs are of several data sets, none is done, or those of one row differ in
            more than their seed.
        DataError: predictions are missing, or do not fit the data set.
    """
    finished = data.done("this table").runs.table
    names = sorted(set(finished["dataset"]))
    if len(names) > 1:
        raise UsageError(
            f"The runs are of {len(names)} data sets and this table shows one: choose with "
            f"--dataset among {', '.join(names[:8])}."
        )
    profile = widest_tail(finished)
    frame = mean_scores(finished, profile)
    notes = notes_on(finished, profile, frame)
    return [_section(names[0], frame, measure, notes) for measure in MEASURES]


def subset_masks(arrays: Arrays, profile: Profile) -> dict[str, Mask | None]:
    """Return which test images belong to each subset; ``None`` where the test set has no such.

    Args:
        arrays: ``class`` and ``domain`` of every test image.
        profile: the long tail.
    """
    domains, classes = profile.train.shape
    cell = arrays["domain"] * classes + arrays["class"]
    counts = np.bincount(cell, minlength=domains * classes)
    present = counts[counts > 0]
    balanced = bool((present == present[0]).all())
    everything = np.ones(len(cell), dtype=bool)
    train = profile.train.ravel()
    kept = everything
    if balanced:
        peak = np.repeat(profile.train.max(axis=1), classes)
        keep = np.where(train > 0, np.maximum(1, counts * train // np.maximum(peak, 1)), 0)
        kept = _place_in_cell(cell) < keep[cell]
    shots = profile.shots.buckets(train[cell])
    return {
        "balanced": everything if balanced else None,
        "long-tailed": kept,
        "head": kept & shots["many"],
        "middle": kept & shots["medium"],
        "tail": kept & shots["few"],
    }


def _place_in_cell(cell: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each image how many of its cell come before it."""
    order = np.argsort(cell, kind="stable")
    ordered = cell[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    lengths = np.diff(np.r_[starts, len(cell)])
    place = np.empty(len(cell), dtype=np.int64)
    place[order] = np.arange(len(cell)) - np.repeat(starts, lengths)
    return place


def widest_tail(runs: pd.DataFrame) -> Profile:
    """Return the most imbalanced training set among runs, whose tail the test subsets follow."""
    best: tuple[float, Profile] | None = None
    names = dataset_names(runs)
    for _, rows in runs.groupby(names, sort=True):
        facts = read_data_facts(Path(rows["path"].iloc[0]))
        train = facts["counts"]["train"]
        imbalance = float(train.max() / max(1, train[train > 0].min(initial=train.max())))
        shots = facts["shots"]
        profile = Profile(train, shots.get("many", 100), shots.get("few", 20), names[rows.index[0]])
        if best is None or imbalance > best[0]:
            best = (imbalance, profile)
    assert best is not None  # there is a run, so there is a group
    return best[1]


def mean_scores(runs: pd.DataFrame, profile: Profile) -> pd.DataFrame:
    """Return the mean over seeds for each model, method, training set, subset and measure.

    Raises:
        UsageError: the runs of a model, method and training set differ in more than their seed.
    """
    names = dataset_names(runs)
    _refuse_mixed(runs, names)
    values: dict[tuple[str, ...], list[float]] = {}
    for index, run in runs.iterrows():
        key = (run["backbone"], run["label"], names[index])
        for (subset, measure), value in _run_scores(Path(run["path"]), profile).items():
            values.setdefault((*key, subset, measure), []).append(value)
    rows = []
    for (model, method, trained, subset, measure), found in values.items():
        known = np.array([v for v in found if not math.isnan(v)])
        rows.append(
            {"model": model, "method": method, "trained_on": trained, "subset": subset,
             "measure": measure, "n": len(known),
             "mean": float(known.mean()) if len(known) else math.nan,
             "half_width": half_width(known)}
        )  # fmt: skip
    return pd.DataFrame(rows)


def _refuse_mixed(runs: pd.DataFrame, names: pd.Series) -> None:
    for (model, method, trained), rows in runs.groupby(["backbone", "label", names], sort=False):
        if rows["hash"].nunique() == 1:
            continue
        protocols = [digits[:8] for digits in dict.fromkeys(rows["protocol_hash"])]
        advice = "name a folder that holds one"
        if len(protocols) > 1:
            advice = f"choose with --protocol among {', '.join(protocols)}, or {advice}"
        raise UsageError(
            f"A row is the mean over the seeds of one experiment, and the runs of {method} with "
            f"{model} on {trained} are of {rows['hash'].nunique()}: {advice}."
        )


def _run_scores(folder: Path, profile: Profile) -> dict[tuple[str, str], float]:
    arrays = read_predictions(folder)
    domains, classes = profile.train.shape
    largest = max(int(arrays[name].max(initial=0)) for name in ("class", "prediction"))
    if largest >= classes or arrays["domain"].max(initial=0) >= domains:
        raise DataError(f"{folder}: predictions.npz names classes or domains of another data set")
    losses = arrays.get("loss")
    if losses is not None and losses.shape != arrays["class"].shape:
        raise DataError(f"{folder}: 'loss' in predictions.npz is not one number an image")
    scores: dict[tuple[str, str], float] = {}
    for subset, mask in subset_masks(arrays, profile).items():
        if mask is None or not mask.any():
            scores |= {(subset, measure): math.nan for measure in MEASURES}
            continue
        matrix = confusion_matrix(arrays["class"][mask], arrays["prediction"][mask], classes)
        scores[subset, "accuracy"] = accuracy(matrix)
        scores[subset, "f1"] = weighted_f1(matrix)
        scores[subset, "loss"] = math.nan if losses is None else float(losses[mask].mean())
    return scores


def _section(dataset: str, frame: pd.DataFrame, measure: str, notes: list[str]) -> Section:
    part = frame[frame["measure"] == measure]
    rows = []
    for (trained, model, method), cells in part.groupby(
        ["trained_on", "model", "method"], sort=False
    ):
        by_subset = cells.set_index("subset")
        row: dict[str, Any] = {"trained_on": trained, "model": model, "method": method}
        row["n"] = int(by_subset["n"].max())
        for subset in SUBSETS:
            mean, width = by_subset.loc[subset, ["mean", "half_width"]]
            row[subset] = metric(measure).mean(mean, width)
        rows.append(row)
    columns = {"trained_on": name_column("trained on"), "model": name_column("model")}
    columns |= {"method": name_column("loss"), "n": Column("n", priority=3)}
    columns |= {subset: Column(subset, priority=i) for i, subset in enumerate(SUBSETS)}
    shown = pd.DataFrame(rows).sort_values(["trained_on", "model"], kind="stable")
    title = f"{MEASURES[measure]}: {dataset}"
    return section(title, part.drop(columns="measure"), columns, notes, shown)


def notes_on(runs: pd.DataFrame, profile: Profile, frame: pd.DataFrame) -> list[str]:
    """Return what stands below a table: sizes of the subsets, and what else rows differ in."""
    arrays = read_predictions(Path(runs["path"].iloc[0]))
    sizes = {
        subset: int(mask.sum())
        for subset, mask in subset_masks(arrays, profile).items()
        if mask is not None
    }
    notes = [
        f"Test images: {', '.join(f'{subset} {size:,}' for subset, size in sizes.items())}; the "
        f"tail is that of {profile.source} (head > {profile.many:g} ≥ middle > {profile.few:g} ≥ "
        "tail training images). Accuracy and F1 in %; ± is half the 95 % t-interval over n seeds; "
        "none where all agree, from–to in brackets where it would leave the scale."
    ]
    if "balanced" not in sizes:
        notes.append("The test set is not balanced, so that column is empty and it is the tail's.")
    if frame[frame["measure"] == "loss"]["mean"].isna().all():
        notes.append("The predictions of these runs hold no loss of each image.")
    keys = ("name", "steps", "lr", "batch_per_domain", "augmentation", "schedule")
    settings = {tuple(p.get(k) for k in keys) for p in runs["protocol"]}
    if len(settings) > 1:
        notes.append(
            f"The runs follow {len(settings)} protocols ({', '.join(keys)} differ), so rows differ "
            "in more than model, loss and training set; choose one with --protocol."
        )
    precisions = sorted(set(runs["precision"]))
    if len(precisions) > 1:
        notes.append(
            f"The runs are in {' and '.join(precisions)}, so rows differ in that too: choose one "
            "with --protocol and a hash, which `ltbench leaderboard` shows."
        )
    return notes
