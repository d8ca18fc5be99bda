"""Metrics that runs did not write down, computed from the answers that they kept.

A run of before a metric was there has its test answers in ``predictions.npz``, and newer ones have
the probabilities of all classes in ``logits.npz``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ltbench.errors import DataError, LtbenchError, UsageError
from ltbench.evaluation.compute import compute_these
from ltbench.evaluation.metrics import Metrics
from ltbench.plugins.manager import OWN, get_plugins
from ltbench.plugins.measure import find_base
from ltbench.plugins.predictions import Predictions
from ltbench.plugins.registry import Entry
from ltbench.plugins.shots import ShotRule
from ltbench.plugins.spelling import spelled
from ltbench.results.documents import Arrays, read_data_facts, read_predictions
from ltbench.results.logits import Logits, read_logits
from ltbench.results.run import RunRecord
from ltbench.results.untrusted import numbers

_SLAB = 4096  # images whose probabilities are computed together


@dataclass(frozen=True)
class StoredAnswers:
    """What a run kept of its answers on the test images.

    Attributes:
        predictions: the answers; numbers that were not kept are NaN.
        without: why there are no probabilities, in a sentence; empty where there are.
    """

    predictions: Predictions
    without: str = ""


@dataclass(frozen=True)
class Lacking:
    """A metric that some runs lack.

    Attributes:
        metric: its name.
        runs: how many lack it.
        path: the folder of one of them.
        reason: why it could not be computed there, in a sentence.
    """

    metric: str
    runs: int
    path: str
    reason: str

    def __str__(self) -> str:
        number = "1 run lacks" if self.runs == 1 else f"{self.runs} runs lack"
        return f"{number} '{self.metric}'; of {self.path}: {self.reason}"


def metrics_of_stored(folder: Path, names: Collection[str] | None = None) -> Metrics:
    """Return metrics of the test images of the run in a folder, from the answers that it kept.

    Probabilities are those of logits in float16, so that what is computed from them differs in the
    last digits from what the run itself would have written.

    Args:
        folder: of the run.
        names: the values that are wanted; by default those of every registered metric. Of a metric
            that does not declare its names none can be asked for.

    Returns:
        The values by name, ``None`` where the answers hold nothing to compute one from.

    Raises:
        DataError: neither predictions nor logits are there, or they do not fit the run.
        PluginError: a metric fails.
    """
    return _computed(read_answers(folder).predictions, names)


def computable_names() -> set[str]:
    """Return the names of values that the registered metrics give, asked on a few answers."""
    y = np.arange(4) % 2
    answers = Predictions(
        y, y, y, np.ones(4), np.zeros(4), np.ones((2, 2), dtype=np.int64), 1, 1,
        probabilities=np.eye(2)[y],
    )  # fmt: skip
    given: set[str] = set()
    for entry in get_plugins()["metrics"]:
        with contextlib.suppress(LtbenchError):  # then it computes nothing here either
            given |= compute_these([entry], answers).keys()
    return given


def read_answers(folder: Path, *, probabilities: bool = True) -> StoredAnswers:
    """Return the answers on the test images of the run in a folder.

    Args:
        folder: of the run.
        probabilities: whether those of all classes are wanted, which are many numbers.

    Raises:
        DataError: neither predictions nor logits are there, or they do not fit the run.
    """
    facts = read_data_facts(folder)
    counts, rule = facts["shot_counts"], ShotRule.from_dict(facts["shots"])
    if not counts.size:
        raise DataError(f"{folder / 'spec.json'}: 'data' does not hold the training counts")
    without, logits, kept = "", None, (folder / "predictions.npz").exists()
    if probabilities or not kept:
        try:
            logits = read_logits(folder, "test")
        except DataError as problem:
            without = str(problem)
    arrays, softmax = _from_logits(logits) if logits is not None else ({}, None)
    arrays = read_predictions(folder) if kept or logits is None else arrays
    y, d, prediction = (arrays[name] for name in ("class", "domain", "prediction"))
    shape, unknown = counts.shape, np.full(len(y), np.nan)
    if not len(y) or d.max() >= shape[0] or max(y.max(), prediction.max()) >= shape[1]:
        raise DataError(
            f"{folder}: its answers are none of {shape[1]} classes in {shape[0]} domains"
        )
    if logits is not None:
        same = np.array_equal(logits.classes, y) and np.array_equal(logits.domains, d)
        if not same or logits.width != shape[1]:
            softmax = None
            without = f"{folder}: logits.npz holds other images or classes than the run has"
    answers = Predictions(
        y=y,
        d=d,
        prediction=prediction,
        confidence=arrays.get("confidence", unknown).astype(np.float64),
        nll=arrays.get("loss", unknown).astype(np.float64),
        counts=counts,
        probabilities=softmax,
        **rule.as_dict(),
    )
    return StoredAnswers(answers, without)


def with_stored_metrics(
    records: Sequence[RunRecord], wanted: Sequence[str]
) -> tuple[list[RunRecord], list[Lacking]]:
    """Return runs with the metrics that are wanted, and which of them some still lack.

    Args:
        records: the runs; those that are not done stay as they are.
        wanted: names of metrics, as typed.

    Raises:
        UsageError: no run has a wanted metric, and what they kept does not suffice to compute it.
    """
    done = [record for record in records if record.status == "done"]
    known = {name for record in done for name in record.test} | computable_names()
    names = [spelled(name, known) for name in wanted]
    if not done or all(name in record.test for record in done for name in names):
        return list(records), []
    completed: list[RunRecord] = []
    lacking: dict[str, Lacking] = {}
    for record in records:
        missing = [name for name in names if name not in record.test]
        found, reasons = _completed(record, missing) if record.status == "done" else (record, {})
        completed.append(found)
        for name, reason in reasons.items():
            first = lacking.get(name, Lacking(name, 0, record.path, reason))
            lacking[name] = replace(first, runs=first.runs + 1)
    for name, said in lacking.items():
        if said.runs == len(done):
            raise UsageError(
                f"No run here has the metric '{name}', and it cannot be computed: {said.reason}."
            )
    return completed, list(lacking.values())


def _completed(record: RunRecord, missing: Sequence[str]) -> tuple[RunRecord, dict[str, str]]:
    """Return a run with what can be computed of the metrics it lacks, and why others cannot."""
    if not missing:
        return record, {}
    found: Metrics = {}
    declared: dict[str, dict[str, str]] = {}
    reasons: dict[str, str] = {}
    try:
        stored = read_answers(Path(record.path))
        for entry, names in _by_entry(missing):
            values = _values([entry], stored.predictions)
            found |= {name: values[name] for name in names if name in values}
            declared |= {base: asdict(measure) for base, measure in entry.measures.items()}
            if stored.without and set(values.values()) == {None}:
                reasons |= {name: stored.without.rstrip(".") for name in names if name in values}
    except LtbenchError as problem:
        return record, dict.fromkeys(missing, str(problem).rstrip("."))
    metrics = {**declared, **record.metrics} if found else record.metrics
    return replace(record, test={**record.test, **numbers(found)}, metrics=metrics), reasons


def _computed(predictions: Predictions, names: Collection[str] | None) -> Metrics:
    if names is None:
        return _values(list(get_plugins()["metrics"]), predictions)
    values: Metrics = {}
    for entry, wanted in _by_entry(names):
        found = _values([entry], predictions)
        values |= {name: found[name] for name in wanted if name in found}
    return values


def _values(entries: Sequence[Entry], predictions: Predictions) -> Metrics:
    """Return values of metrics; what was not kept is NaN, in silence."""
    with np.errstate(all="ignore"):
        return compute_these(entries, predictions)


def _by_entry(names: Collection[str]) -> list[tuple[Entry, list[str]]]:
    """Return the metrics that may give some values, each with those that it may give.

    Several may declare the same base name; where a plugin's and one of ltbench's give a name, it is
    the plugin's, as it is when a run is tested.
    """
    entries = sorted(get_plugins()["metrics"], key=lambda entry: entry.distribution != OWN)
    found = [(entry, [n for n in names if find_base(n, entry.measures)]) for entry in entries]
    return [(entry, own) for entry, own in found if own]


def _from_logits(logits: Logits) -> tuple[Arrays, NDArray[np.float32]]:
    """Return what ``predictions.npz`` would hold, and the softmax, (N, C)."""
    number = len(logits)
    softmax, loss = np.empty((number, logits.width), np.float32), np.empty(number)
    for start in range(0, number, _SLAB):  # as they are float64 on the way
        rows = slice(start, start + _SLAB)
        part = logits.rows(rows)
        found = part.log_probabilities()
        softmax[rows] = np.exp(found)
        loss[rows] = -np.take_along_axis(found, part.classes[:, None], axis=1)[:, 0]
    return {
        "class": logits.classes,
        "domain": logits.domains,
        "prediction": softmax.argmax(axis=1),
        "confidence": softmax.max(axis=1, initial=0),
        "loss": loss,
    }, softmax
