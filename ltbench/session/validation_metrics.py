"""Which metrics the validation of a run will have, known before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ltbench.errors import LtbenchError, UsageError, suggestion
from ltbench.evaluation.compute import compute_these
from ltbench.evaluation.metrics import Metrics
from ltbench.plugins.manager import OWN, get_plugins
from ltbench.plugins.measure import Measure, find_base
from ltbench.plugins.predictions import Predictions
from ltbench.plugins.text import visible
from ltbench.results.run import RunSpec


def validation_measure(metric: str) -> Measure:
    """Return what the values of a metric of validation mean.

    Raises:
        UsageError: no metric's name begins so, or it is computed on test images alone.
    """
    every: dict[str, Measure] = {}
    tested: dict[str, Measure] = {}
    for entry in get_plugins()["metrics"]:
        (every if entry.every_evaluation else tested).update(entry.measures)
    base = find_base(metric, every)
    if base is not None:
        return every[base]
    if find_base(metric, tested):
        raise UsageError(_tested_alone(metric))
    names = [f"{name}_{end}" for name in every for end in ("average", "worst")]
    raise UsageError(f"there is no metric '{visible(metric)}'{suggestion(metric, names)}")


def check_given(metric: str, spec: RunSpec) -> None:
    """Check that the validation of a run will have a metric, by answers made up for its images.

    Args:
        metric: its name, with a base that :func:`validation_measure` knows.
        spec: the run.

    Raises:
        UsageError: no metric gives that name, or there are no validation images for it.
    """
    given = _given(_made_up(spec.data))
    if metric in given.empty:
        raise UsageError(
            f"there is no '{metric}' on the validation images of '{spec.dataset_name}', as none "
            f"of them counts for it{suggestion(metric, given.values)}"
        )
    if metric in given.values or find_base(metric, given.unknown):
        return
    if metric in given.tested:
        raise UsageError(_tested_alone(metric))
    raise UsageError(f"there is no metric '{visible(metric)}'{suggestion(metric, given.values)}")


@dataclass
class _Given:
    """What the registered metrics give for some answers.

    Attributes:
        values: names of each evaluation's values.
        empty: names that ltbench's own metrics give, for which these images hold nothing.
        tested: names of values that are computed on test images alone.
        unknown: base names of metrics that fail on these answers, which may give any name.
    """

    values: set[str] = field(default_factory=set)
    empty: set[str] = field(default_factory=set)
    tested: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)


def _given(answers: Predictions) -> _Given:
    given = _Given()
    for entry in get_plugins()["metrics"]:
        try:
            with np.errstate(all="ignore"):
                found: Metrics = compute_these([entry], answers)
        except LtbenchError:  # it may need more images, or other answers, than these
            given.unknown.update(entry.measures if entry.every_evaluation else ())
            continue
        if not entry.every_evaluation:
            given.tested.update(found)
            continue
        # Of others' metrics nobody knows what a value that is missing here depends on.
        nothing = {name for name, value in found.items() if value is None}
        empty = nothing if entry.distribution == OWN else set()
        given.empty |= empty
        given.values |= found.keys() - empty
    return given


def _made_up(data: Mapping[str, Any]) -> Predictions:
    """Return a right and a wrong answer for each pair of domain and class that is validated on.

    Args:
        data: the facts of the data set as ``spec.json`` has them.
    """
    trained = np.array(data.get("shot_counts", data["counts"]["train"]), dtype=np.int64)
    d, y = np.nonzero(np.array(data["counts"]["val"]))
    d, y = np.repeat(d, 2), np.repeat(y, 2)
    classes = trained.shape[1]
    right = np.arange(len(y)) % 2 == 0
    share = np.float32(1 / classes)
    return Predictions(
        y=y,
        d=d,
        prediction=np.where(right, y, (y + 1) % classes),
        confidence=np.full(len(y), 1 / classes),
        nll=np.full(len(y), np.log(classes)),
        counts=trained,
        probabilities=np.broadcast_to(share, (len(y), classes)),  # one number, however many classes
        **data["shots"],
    )


def _tested_alone(metric: str) -> str:
    return (
        f"--metric {visible(metric)} is computed on test images alone, and a race is decided "
        "on validation images: take accuracy_average or macro_f1_average"
    )
