"""Metrics that runs did not write down, computed from the answers that they kept.

A run of before a metric was there has its test answers in ``predictions.npz``, and newer ones have
the probabilities of all classes in ``logits.npz``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

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


def read_answers(folder: Path) -> StoredAnswers:
    """Return the answers on the test images of the run in a folder.

    Raises:
        DataError: neither predictions nor logits are there, or they do not fit the run.
    """
    facts = read_data_facts(folder)
    counts, rule = facts["counts"].get("train"), ShotRule.from_dict(facts["shots"])
    if counts is None:
        raise DataError(f"{folder / 'spec.json'}: 'data' does not hold the training counts")
    without, logits = "", None
    try:
        logits = read_logits(folder, "test")
    except DataError as problem:
        without = str(problem)
    if (folder / "predictions.npz").exists() or logits is None:
        arrays = read_predictions(folder)
    else:
        arrays = _from_logits(logits)
    y, d, prediction = (arrays[name] for name in ("class", "domain", "prediction"))
    shape, unknown = counts.shape, np.full(len(y), np.nan)
    if not len(y) or d.max() >= shape[0] or max(y.max(), prediction.max()) >= shape[1]:
        raise DataError(
            f"{folder}: its answers are none of {shape[1]} classes in {shape[0]} domains"
        )
    probabilities = None
    if logits is not None:
        same = np.array_equal(logits.classes, y) and np.array_equal(logits.domains, d)
        if same and logits.width == shape[1]:
            probabilities = logits.probabilities().astype(np.float32)
        else:
            without = f"{folder}: logits.npz holds other images or classes than predictions.npz"
    answers = Predictions(
        y=y,
        d=d,
        prediction=prediction,
        confidence=arrays.get("confidence", unknown).astype(np.float64),
        nll=arrays.get("loss", unknown).astype(np.float64),
        counts=counts,
        probabilities=probabilities,
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
    known = {name for record in done for name in record.test}
    bases = {base for entry in get_plugins()["metrics"] for base in entry.measures}
    names = [spelled(name, known | bases) for name in wanted]
    if not done or all(name in record.test for record in done for name in names):
        return list(records), []
    completed, lacking = [], {}
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
    found, declared, reasons = {}, {}, {}
    try:
        stored = read_answers(Path(record.path))
        for entry, names in _by_entry(missing):
            values = compute_these([entry], stored.predictions)
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
        return compute_these(list(get_plugins()["metrics"]), predictions)
    values: Metrics = {}
    for entry, wanted in _by_entry(names):
        found = compute_these([entry], predictions)
        values |= {name: found[name] for name in wanted if name in found}
    return values


def _by_entry(names: Collection[str]) -> list[tuple[Entry, list[str]]]:
    """Return the metrics that may give some values, each with those that it may give.

    Several may declare the same base name; where a plugin's and one of ltbench's give a name, it is
    the plugin's, as it is when a run is tested.
    """
    entries = sorted(get_plugins()["metrics"], key=lambda entry: entry.distribution != OWN)
    found = [(entry, [n for n in names if find_base(n, entry.measures)]) for entry in entries]
    return [(entry, own) for entry, own in found if own]


def _from_logits(logits: Logits) -> Arrays:
    """Return what ``predictions.npz`` would hold."""
    log_probabilities = logits.log_probabilities()
    rows = np.arange(len(logits))
    return {
        "class": logits.classes,
        "domain": logits.domains,
        "prediction": log_probabilities.argmax(axis=1),
        "confidence": np.exp(log_probabilities.max(axis=1)),
        "loss": -log_probabilities[rows, logits.classes],
    }
