"""The best score that tuning finds against the number of trials that it is given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ltbench.api import PAGE_WIDTH, Choices, FigureData, UsageError, short_names, suggestion
from ltbench_figures import style as look

_MOST = 12
_COLUMNS = ["method", "axes", "of", "trials", "validation", "validation_sd", "test", "test_sd"]


def draw_budget(data: FigureData, choices: Choices) -> tuple[Figure, pd.DataFrame]:
    """Draw the validation score of the best of n trials, and its test score, over n.

    Of n trials drawn from those of a study with replacement it is the expected maximum: Dodge,
    Gururangan, Card, Schwartz and Smith, "Show your work: improved reporting of experimental
    results", EMNLP 2019, arXiv:1909.03004, section 3. The test score is that of the trial which
    validation chooses. Shaded is a standard deviation of what one such search ends with. Trials of
    a Bayesian search depend on those before, so their best so far is drawn as it went.

    Args:
        data: trials of one data set and protocol; a study that is not complete counts as far as it
            came.
        choices: the metric says which test score; by default that by which validation chose.

    Returns:
        The figure, and a frame of ``method``, ``axes``, ``of`` (trials of the study), ``trials``
        (n), ``validation``, ``validation_sd``, ``test`` and ``test_sd``, shares being 0…1.

    Raises:
        UsageError: nothing was tuned, or in several data sets or protocols, or no trial has the
            metric.
    """
    trials = _of_one_table(data.trials)
    validation = trials["metric"].iloc[0]
    test = _test_metric(trials, choices, validation)
    studies = _studies(trials)
    look.refuse_too_many(len(studies), _MOST, "Tuning")
    rows = [
        pd.DataFrame(_curve(study, f"test_{test}")).assign(
            method=label, axes=study["axes"].iloc[0], of=len(study)
        )
        for label, study in studies.items()
    ]
    frame = pd.concat(rows, ignore_index=True)[_COLUMNS]
    metrics = [data.metric_of_trials(name) for name in (validation, test)]
    axes = [(metric.axis, metric.scaled(1.0)) for metric in metrics]
    figure = _draw(frame, list(studies), axes)
    bayes = trials["search"] == "bayes"
    drawn = f"the best of n trials, expected from the {_range(frame['of'])} of each method"
    notes = [
        drawn if not bayes.all() else "the best trial so far",
        "of Bayesian searches as they went" if bayes.any() else "",
        "shaded ± one standard deviation" if frame["validation_sd"].gt(0).any() else "",
    ]
    text = ", ".join(note for note in notes if note)
    look.headline(figure, text, trials["dataset"].iloc[0])
    return figure, frame


def expected_best(
    values: np.ndarray, scores: np.ndarray, draws: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the score of the best of so many trials.

    They are drawn from those of a study with replacement. Of trials of one value each is as likely
    to be the best. A trial without a value failed and loses to all others; where only such were
    drawn there is no best, which the mean is not over.

    Args:
        values: what chooses the best trial, one for each; NaN where it failed.
        scores: what the best one scores, one for each trial.
        draws: numbers of trials, from 1 on.

    Returns:
        Two arrays as long as ``draws``; NaN where no trial has a value.
    """
    done = ~np.isnan(values)
    if not done.any():
        return np.full(len(draws), np.nan), np.full(len(draws), np.nan)
    levels, place, counts = np.unique(values[done], return_inverse=True, return_counts=True)
    failed = np.sum(~done)
    # P(the best is at most this level), and that it is exactly that.
    shares = (failed + np.concatenate([[0], np.cumsum(counts)])) / len(values)
    chosen = np.diff(shares[None, :] ** np.asarray(draws)[:, None], axis=1)
    chosen /= chosen.sum(axis=1, keepdims=True)
    each = np.bincount(place, scores[done], len(levels)) / counts
    squares = np.bincount(place, scores[done] ** 2, len(levels)) / counts
    mean = chosen @ each
    return mean, np.sqrt(np.maximum(chosen @ squares - mean**2, 0.0))


def best_so_far(values: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the score of the best trial after each of them, the first of equals being the best."""
    found = np.full(len(values), np.nan)
    best = -1
    for i, value in enumerate(values):
        if not np.isnan(value) and (best < 0 or value > values[best]):
            best = i
        found[i] = scores[best] if best >= 0 else np.nan
    return found


def _of_one_table(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that have an outcome, all of one table.

    Raises:
        UsageError: there are none, or they belong to several tables.
    """
    trials = trials[trials["status"] != "waiting"]
    if trials.empty or trials["value"].isna().all():
        raise UsageError(
            "No trial of tuning has a score here: `ltbench tune --algo … --dataset …` makes some."
        )
    tables = trials.drop_duplicates("protocol_hash")
    if len(tables) > 1:
        pairs = zip(tables["dataset"], tables["protocol_hash"], strict=True)
        choices = "; ".join(f"{name} --protocol {digits[:8]}" for name, digits in list(pairs)[:6])
        raise UsageError(
            f"The trials belong to {len(tables)} tables and this figure shows one: choose with "
            f"--dataset and --protocol among {choices}."
        )
    return trials.sort_values(["study", "number"], kind="stable")


def _test_metric(trials: pd.DataFrame, choices: Choices, validation: str) -> str:
    """Return the test metric: as chosen, else that which validation maximises.

    Raises:
        UsageError: no trial has it.
    """
    other = choices.score if choices.base == "accuracy" else validation
    name = choices.metric or other
    known = [column.removeprefix("test_") for column in trials if column.startswith("test_")]
    if choices.metric and name not in known:
        raise UsageError(f"No trial here has the metric '{name}'{suggestion(name, known)}.")
    return name


def _studies(trials: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the trials of each study by a name, which says more where a method has several."""
    found: dict[str, pd.DataFrame] = {}
    several = trials.groupby("method")["study"].nunique()
    for _, study in trials.groupby("study", sort=False):
        first = study.iloc[0]
        label = str(first["method"])
        if several[first["method"]] > 1:
            axes = first["axes"].replace(", ", "+")
            label += f" ({axes}; {first['search']} {first['planned']}, seed {first['seed']})"
        file = Path(str(first["study"]))  # <out>/.tuning/.studies/<what was asked>/<budget>.json
        if label in found:
            label += f" #{file.parent.name[:6]}"
        if label in found:
            label += f" in {file.parents[3]}"
        found[label] = study
    order = {label: -np.nanmax([*study["value"], -np.inf]) for label, study in found.items()}
    return {label: found[label] for label in sorted(found, key=lambda label: order[label])}


def _curve(study: pd.DataFrame, test: str) -> dict[str, np.ndarray]:
    """Return both scores of the best of 1, 2, … trials of one study."""
    values = study["value"].to_numpy(float)
    draws = np.arange(1, len(values) + 1)
    found: dict[str, np.ndarray] = {"trials": draws}
    for name, scores in (("validation", values), ("test", _column(study, test))):
        if study["search"].iloc[0] == "bayes":
            found[name] = best_so_far(values, scores)
            found[f"{name}_sd"] = np.zeros(len(values))
        else:
            found[name], found[f"{name}_sd"] = expected_best(values, scores, draws)
    return found


def _column(study: pd.DataFrame, name: str) -> np.ndarray:
    return study[name].to_numpy(float) if name in study else np.full(len(study), np.nan)


def _draw(frame: pd.DataFrame, labels: list[str], metrics: list[tuple[str, float]]) -> Figure:
    columns = look.legend_columns(labels, PAGE_WIDTH)
    figure = look.new_figure(PAGE_WIDTH, 3.0 + 0.17 * len(labels) / columns)
    axes = figure.subplots(1, 2)
    handles: list[Line2D] = []
    for axis, part, (words, factor) in zip(axes, ("validation", "test"), metrics, strict=True):
        curves = [frame[frame["method"] == label] for label in labels]
        handles = [_draw_curve(axis, curve, part, factor, i) for i, curve in enumerate(curves)]
        axis.set_ylabel(f"{part}\n{words}")
        axis.set_xlabel("trials of tuning")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    if metrics[0] == metrics[1]:
        look.share_range(axes)
    names = list(short_names(labels, look.LEGEND).values())
    figure.legend(handles, names, loc="outside lower center", ncols=columns, handlelength=3.2)
    return figure


def _draw_curve(axis: Axes, curve: pd.DataFrame, part: str, factor: float, i: int) -> Line2D:
    mean, spread = (factor * curve[name] for name in (part, f"{part}_sd"))
    at, shade = curve["trials"], look.color(i)
    marker = look.MARKERS[0] if len(at) == 1 else ""
    line = axis.plot(at, mean, color=shade, ls=look.dash(i), marker=marker, lw=1.3)[0]
    if spread.gt(0).any():
        axis.fill_between(at, mean - spread, mean + spread, color=shade, alpha=0.12, lw=0)
    return line


def _range(numbers: pd.Series) -> str:
    least, most = numbers.min(), numbers.max()
    return str(least) if least == most else f"{least} to {most}"
