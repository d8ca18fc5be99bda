"""Trains a run that was handed in once more, and compares what comes of it."""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from ltbench.errors import DataError, LtbenchError, UsageError
from ltbench.executors.machine import choose_device
from ltbench.plugins.names import Name
from ltbench.results.documents import read_predictions
from ltbench.results.run import RunSpec
from ltbench.results.untrusted import clean, numbers, read_json
from ltbench.session.verification.finding import Findings, Subject
from ltbench.session.verification.registry import names_a_place
from ltbench.training.job import Job
from ltbench.training.run import execute

_COMPARED = ("macro_f1_average", "accuracy_average")
_SAME_MACHINE = ("device", "torch", "platform", "threads", "code", "python")
_MOST_THREADS = 256


@dataclass(frozen=True)
class Again:
    """Which runs are to be trained once more, and where.

    Attributes:
        count: how many.
        seed: only runs of this seed, or ``None`` for any.
        device: ``auto`` for the kind that a run names, or what is typed after ``--device``.
        data_dir: the folder of the data sets' files.
        told: is told in words which run is being trained.
    """

    count: int
    seed: int | None
    device: str
    data_dir: Path
    told: Callable[[str], None] = lambda _: None


def choose_again(runs: Sequence[Subject], again: Again) -> list[Subject]:
    """Return runs that nobody could foresee.

    Raises:
        UsageError: there are not so many that can be trained here.
    """
    if runs and not any(run.logits for run in runs):
        raise UsageError(
            "nothing here has logits, as rows of a board have none, and what is trained again is "
            "one of the runs themselves: name their submission, or their folder"
        )
    able = [run for run in runs if _can_be_trained(run)]
    if again.seed is not None:
        able = [run for run in able if run.record.seed == again.seed]
    if len(able) < again.count:
        of_seed = "" if again.seed is None else f" of seed {again.seed}"
        raise UsageError(
            f"{len(able)} runs{of_seed} can be trained here, and {again.count} were asked for: "
            "runs that start from a local checkpoint or name a folder of images, and what was made "
            "of others, are none"
        )
    return random.SystemRandom().sample(able, again.count)


def _can_be_trained(run: Subject) -> bool:
    """Return whether a run can be trained from what is public: no path of others is followed."""
    asked = run.asked
    if asked is None or run.combined or not run.logits or asked.backbone.weights:
        return False
    try:
        return not names_a_place(Name(asked.dataset.name, asked.dataset.hparams))
    except (LtbenchError, TypeError, ValueError, AttributeError):  # no data set that is here
        return False


def check_again(
    run: Subject, everything: Sequence[Subject], again: Again, findings: Findings
) -> bool:
    """Train a run once more, and return whether what was handed in is what came of it.

    On the same kind of machine that is so where all answers agree to the last bit. Elsewhere
    arithmetic differs, which acts as another seed does, and the scores have to lie within the
    spread that the method's seeds have.
    """
    assert run.asked is not None
    again.told(run.title)
    with tempfile.TemporaryDirectory(prefix="ltbench-rerun-") as place:
        folder = Path(place, "run")
        result = execute(_job(run, run.asked, folder, again), lambda _: None, lambda: False)
        if "test" not in result:
            why = clean(str(result.get("error", result.get("status"))))
            findings.add("unchecked", f"it could not be trained again: {why}", run)
            return False
        result = read_json(folder / "result.json") or {}
        same = _same_answers(run.folder, folder)
    alike = _environment(run.result) == _environment(result)
    sure = (
        str(result["environment"]["device"]).startswith("cpu") or run.asked.protocol.deterministic
    )
    if same:
        findings.add("note", "trained again, it gives the same answers to the last bit", run)
        return True
    if alike and sure:
        findings.add(
            "wrong",
            "trained again on the same kind of machine, by the same code, it gives other answers: "
            f"{_scores(result)}, handed in {_scores(run.result)}",
            run,
        )
        return False
    return _within_spread(run, result, everything, findings)


def _job(run: Subject, asked: RunSpec, folder: Path, again: Again) -> Job:
    told = _environment(run.result)
    device = again.device
    if device == "auto" and str(told["device"]).startswith("cpu"):
        device = "cpu"
    threads = int(numbers(told).get("threads", 1))
    return Job(
        asked, folder, again.data_dir, choose_device(device), max(1, min(threads, _MOST_THREADS))
    )


def _environment(result: Mapping[str, Any]) -> dict[str, Any]:
    found = result.get("environment")
    told = found if isinstance(found, dict) else {}
    return {name: told.get(name) for name in _SAME_MACHINE}


def _same_answers(one: Path, other: Path) -> bool:
    try:
        first, second = read_predictions(one), read_predictions(other)
    except DataError:
        return False
    return first.keys() == second.keys() and all(
        np.array_equal(array, second[name]) for name, array in first.items()
    )


def _scores(result: Mapping[str, Any]) -> str:
    test = numbers(result.get("test"))
    return ", ".join(f"{name} {test[name]:.4f}" for name in _COMPARED if name in test)


def _within_spread(
    run: Subject, result: Mapping[str, Any], everything: Sequence[Subject], findings: Findings
) -> bool:
    """Compare scores by the spread over the seeds of the method, where there are several."""
    test = numbers(result.get("test"))
    seeds = _judges(run, everything, findings)
    if len(seeds) < 2 or not _scored(test) or not _scored(run.record.test):
        findings.add(
            "unchecked",
            f"trained again on another machine or by other code it gives {_scores(result)}, handed "
            f"in {_scores(run.result)}; without both of two seeds there is no spread to judge by",
            run,
        )
        return False
    far = [
        name
        for name in _COMPARED
        if abs(test[name] - run.record.test[name])
        > spread([other.record.test[name] for other in seeds])
    ]
    words = (
        f"trained again on another machine or by other code it gives {_scores(result)}, handed in "
        f"{_scores(run.result)}"
    )
    if far:
        findings.add("wrong", f"{words}: further apart than seeds of this method are", run)
        return False
    findings.add("note", f"{words}: within what seeds of this method differ by", run)
    return True


def _judges(run: Subject, everything: Sequence[Subject], findings: Findings) -> list[Subject]:
    """Return the runs of a method that tell its spread.

    Not those with which something is wrong: an invented score would make it as wide as one likes.
    """
    return [
        other
        for other in everything
        if other.record.hash == run.record.hash
        and not findings.wrong_with(other)
        and _scored(other.record.test)
    ]


def _scored(test: Mapping[str, float]) -> bool:
    return all(name in test for name in _COMPARED)


def spread(values: Sequence[float]) -> float:
    """Return by how much two seeds of a method differ at most in 19 cases of 20.

    Half the width of the 95 % prediction interval of the difference of two draws, by Student's t.

    Args:
        values: scores of two seeds or more.
    """
    deviation = float(np.std(values, ddof=1))
    quantile = float(stats.t.ppf(0.975, len(values) - 1))
    return quantile * deviation * math.sqrt(2)
