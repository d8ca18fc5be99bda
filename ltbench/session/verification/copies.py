"""Finds runs that are other runs: a seed that was renamed, or a method that is another's copy.

Seeds change initial weights and the order of images, so no two of them answer alike. Runs that do
are held against each other by what they share: a stage that may leave the model as it was, a soup
that took one run alone.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.errors import DataError, LtbenchError
from ltbench.results.documents import read_predictions
from ltbench.results.untrusted import read_log
from ltbench.session.verification.finding import Findings, Kind, Subject
from ltbench.session.verification.same_training import why_alike, why_both_alike
from ltbench.training.steps import stage_steps

_SAMPLE = 1024
"""Test images whose answers are compared where they are not the same to the last bit."""
_NEAR = 2e-3
"""Confidences that differ by no more are taken for one model's, with noise on top of it."""
_WRONG = 30
_SETTING = ("dataset", "backbone", "precision")
_MOST_ALIKE = 400  # runs of one test that are compared in pairs


@dataclass(frozen=True)
class _Print:
    """What tells a run's answers from another's.

    Attributes:
        test: digest of its test images and classes.
        answers: digest of all its answers.
        log: digest of its log without times and names of stages; empty without one.
        classes, prediction, confidence: of a sample of the test images; no confidences of rows.
    """

    run: Subject
    test: str
    answers: str
    log: str
    classes: NDArray[np.int64]
    prediction: NDArray[np.int64]
    confidence: NDArray[np.float32] | None


_Pair = tuple[_Print, _Print]


def check_copies(runs: Sequence[Subject], findings: Findings) -> None:
    """Find runs among those of the same test images that are one another's copies."""
    by_test: dict[str, list[_Print]] = defaultdict(list)
    for run in runs:
        try:
            found = _print_of(run)
        except DataError:  # said where the answers are checked
            continue
        by_test[found.test].append(found)
    for prints in by_test.values():
        for one, other in _first_hand(list(_alike(prints))):
            kind, text = _judge(one, other)
            findings.add(kind, text, one.run, other.run)


def _print_of(run: Subject) -> _Print:
    arrays = read_predictions(run.folder)
    rows = slice(None, None, max(1, len(arrays["class"]) // _SAMPLE))
    confidence = arrays.get("confidence")
    return _Print(
        run,
        _digest(arrays[name] for name in ("class", "domain")),
        _digest(arrays[name] for name in sorted(arrays)),
        _log_of(run),
        arrays["class"][rows],
        arrays["prediction"][rows],
        None if confidence is None else confidence[rows].astype(np.float32),
    )


def _digest(arrays: Iterable[NDArray[np.generic]]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(
            f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes()
        )
    return digest.hexdigest()


def _log_of(run: Subject) -> str:
    """Return a digest of what a log says of losses and scores."""
    lines = [
        (line.get("step"), line.get("losses"), line.get("val")) for line in read_log(run.folder)
    ]
    text = json.dumps(lines, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest() if lines else ""


def _alike(prints: Sequence[_Print]) -> Iterator[_Pair]:
    """Yield the pairs of runs that answer alike.

    All of them: a run may be like one that explains it, and like another that nothing explains.
    """
    if len(prints) <= _MOST_ALIKE:
        yield from (pair for pair in itertools.combinations(prints, 2) if _same(*pair))
        return
    same: dict[str, list[_Print]] = defaultdict(list)  # too many pairs: those of the same bits
    for one in prints:
        before = (each for each in same[one.answers][:_MOST_ALIKE] if _same(each, one))
        yield from ((each, one) for each in before)
        same[one.answers].append(one)


def _same(one: _Print, other: _Print) -> bool:
    if one.answers == other.answers:
        return one.confidence is not None or _surely(one, other)
    if one.log and one.log == other.log and _rivals(one.run, other.run):
        return True
    if one.confidence is None or other.confidence is None:
        return False
    # Networks that tell nothing apart are equally unsure of all images, whatever their seeds.
    near = min(_NEAR, float(one.confidence.std()) / 20)
    if np.abs(one.confidence - other.confidence).max(initial=0) > near:
        return False
    return bool(np.mean(one.prediction == other.prediction) > 1 - _NEAR)


def _surely(one: _Print, other: _Print) -> bool:
    """Return whether equal predictions alone, as rows keep them, are those of one model.

    They are where all scores are the same too, or where so many images are wrong, each in the same
    way, that two models would not agree by chance. Answers of the commonest class say nothing: of
    models that have learnt nothing many answer it everywhere.
    """
    answers, images = np.unique(one.prediction, return_counts=True)
    if len(answers) < 2:
        return False
    told = one.prediction != answers[images.argmax()]
    wrong = int(np.sum(told & (one.prediction != one.classes)))
    return one.run.record.test == other.run.record.test or wrong >= _WRONG


def _rivals(one: Subject, other: Subject) -> bool:
    """Return whether two runs may not have one log: they did not begin with the same training."""
    algorithms = (run.spec.get("identity", {}).get("algorithm") for run in (one, other))
    return one.record.seed != other.record.seed or next(algorithms) != next(algorithms)


def _first_hand(pairs: Sequence[_Pair]) -> Iterator[_Pair]:
    """Yield the pairs but those of which one run is like the other by what it was made of.

    A soup that took one run alone is like all that this run is like, which is told of the run.
    """
    made_of: dict[int, set[int]] = defaultdict(set)
    like: dict[int, set[int]] = defaultdict(set)
    for pair in pairs:
        for whole, part in (pair, pair[::-1]):
            like[id(whole)].add(id(part))
            if _may_be(whole, part):
                made_of[id(whole)].add(id(part))
    for one, other in pairs:
        a, b = id(one), id(other)
        if not (made_of[a] & like[b] or made_of[b] & like[a]):
            yield one, other


def _judge(one: _Print, other: _Print) -> tuple[Kind, str]:
    a, b = one.run.record, other.run.record
    alike = (
        "answer every test image alike" if one.answers == other.answers else "answer almost alike"
    )
    if one.log and one.log == other.log and one.answers != other.answers:
        alike = "have the same log"
    for whole, part in ((one, other), (other, one)):
        if why := _may_be(whole, part):
            return "note", f"they {alike}, which may be: {why}"
    if _training(one.run) == _training(other.run):
        return "note", f"they {alike}, as by their specifications they are the same training"
    if a.hash == b.hash:
        return _judge_seeds(alike, one.run)
    if why := why_both_alike(one.run, other.run):
        return "note", f"they {alike}, which may be: {why}; then they say nothing of their own"
    if a.seed == b.seed:
        return "wrong", (
            f"they {alike}: one method's run was handed in as the other's, unless their settings "
            "make them the same training up to the chosen step, and then one of them says nothing "
            "of its own"
        )
    return "wrong", f"they {alike} under other seeds: one method's run was handed in as the other's"


def _may_be(whole: _Print, part: _Print) -> str:
    """Return what makes a run another one and something more; empty where it is not."""
    if _extends(whole, part):
        stage = "+".join(whole.run.record.stages)
        return (
            f"'{stage}' is made from the other and may leave its model as it was (wise-ft may take "
            "all of the trained weights)"
        )
    if _has_member(whole, part):
        return "the one was made of the other"
    if why := why_alike(whole.run, part.run):
        return f"{why}; then one of the two says nothing of its own"
    return ""


def _training(run: Subject) -> dict[str, Any]:
    """Return what tells a training: not by what its model is chosen, nor how it was tuned."""
    identity = run.spec.get("identity", {})
    kept = {key: identity.get(key) for key in ("algorithm", "stages", *_SETTING)}
    protocol = dict(run.record.protocol)
    for name in ("name", "select"):
        protocol.pop(name, None)
    return {**kept, "protocol": protocol, "seed": run.record.seed}


def _judge_seeds(alike: str, run: Subject) -> tuple[Kind, str]:
    """Judge two seeds of one method."""
    if _draws_nothing(run):
        return "note", (
            f"they {alike}, which may be: the method takes no step of optimisation on a network "
            "whose weights are given, so that seeds change nothing"
        )
    return "wrong", (
        f"they {alike}, and seeds change initial weights and batches: one seed was handed in "
        "under two numbers"
    )


def _draws_nothing(run: Subject) -> bool:
    if run.asked is None or not (run.asked.backbone.pretrained or run.asked.backbone.weights):
        return False
    try:
        return not any(stage_steps(run.asked))
    except LtbenchError:  # a plugin that is not here
        return False


def _has_member(whole: _Print, part: _Print) -> bool:
    """Return whether a run is an ensemble or soup that another is a member of."""
    members = [(m["hash"], m["seed"]) for m in whole.run.record.combined.get("members", ())]
    return (part.run.record.hash, part.run.record.seed) in members


def _extends(whole: _Print, part: _Print) -> bool:
    """Return whether a run is another one with further stages, of the same seed."""
    a, b = whole.run.spec.get("identity", {}), part.run.spec.get("identity", {})
    if whole.run.combined or part.run.combined:
        return False
    if whole.run.record.seed != part.run.record.seed or a.get("algorithm") != b.get("algorithm"):
        return False
    long, short = list(a.get("stages", [])), list(b.get("stages", []))
    shared = all(a.get(key) == b.get(key) for key in ("protocol", *_SETTING))
    return shared and len(long) > len(short) and long[: len(short)] == short
