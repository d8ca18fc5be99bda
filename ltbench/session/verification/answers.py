"""Holds what a run answered against the logits that it keeps: both are of the same images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ltbench.errors import DataError, LtbenchError
from ltbench.evaluation.compute import compute_metrics
from ltbench.plugins.predictions import Predictions
from ltbench.plugins.shots import ShotRule
from ltbench.results.documents import Arrays, read_data_facts, read_predictions
from ltbench.results.logits import MOST_WHOLE, TOP, Logits, read_logits
from ltbench.results.untrusted import numbers
from ltbench.session.verification.finding import Findings, Subject
from ltbench.session.verification.metrics import within

_CONFIDENCE = 5e-3
"""By how much float16 may change the probability of a prediction: its logarithm by 2⁻¹¹ of the
entropy, at most the logarithm of the number of classes."""
_LOSS = 5e-3
_VALIDATION = 0.02
"""Of validation scores, which the run computed before, by other batches of images."""
_SLAB = 4096  # images whose probabilities are computed together


def check_answers(run: Subject, findings: Findings) -> bool:
    """Check ``predictions.npz`` against ``logits.npz``, and return whether they fit.

    The predicted class has to be that of the largest logit, and confidence and loss those of the
    softmax, within what float16 rounds.
    """
    try:
        logits, arrays = read_logits(run.folder, "test"), read_predictions(run.folder)
        validated = read_logits(run.folder, "val")
        classes = len(read_data_facts(run.folder)["classes"])
        wrong = [text for part in (logits, validated) if (text := _not_as_kept(part, classes))]
        wrong += _compare(logits, arrays)
    except DataError as problem:
        findings.add("wrong", within(run, problem), run)
        return False
    for text in wrong:
        findings.add("wrong", text, run)
    return _check_validation(run, validated, findings) and not wrong


def _not_as_kept(logits: Logits, classes: int) -> str:
    """Return in what logits are kept otherwise than runs keep them; nothing where in nothing.

    Of what seems not to have been kept, metrics could not be computed, and any could be claimed.
    """
    if not len(logits):
        return ""
    if logits.width != classes:
        return f"logits.npz tells {logits.width:,} classes apart, and spec.json names {classes:,}"
    if logits.top is not None and classes <= MOST_WHOLE:
        return (
            f"logits.npz holds the largest logits of each image alone, and of up to {MOST_WHOLE:,} "
            "classes every run keeps all"
        )
    if logits.top is not None and logits.top.shape[1] != TOP:
        return f"logits.npz holds {logits.top.shape[1]} logits of each image, and runs keep {TOP}"
    return ""


def _compare(logits: Logits, arrays: Arrays) -> list[str]:
    y, d, answers = (arrays[name] for name in ("class", "domain", "prediction"))
    if not (np.array_equal(logits.classes, y) and np.array_equal(logits.domains, d)):
        return ["logits.npz is of other images than predictions.npz: classes or domains differ"]
    found = [
        _counted(
            _not_largest(logits, answers), "predicted another class than that of its largest logit"
        )
    ]
    confidence, loss, known = _of_logits(logits)
    if lost := [name for name in ("confidence", "loss") if name not in arrays]:
        # Without them no metric of confidences could be computed, and any could be claimed.
        found.append(f"predictions.npz lacks what every run with logits has: {' and '.join(lost)}")
    if "confidence" in arrays:
        # So turned that what is no number is off too.
        off = ~(np.abs(arrays["confidence"] - confidence) <= _CONFIDENCE)
        found.append(_counted(off, "has another confidence than its logits give"))
    if "loss" in arrays:
        told = arrays["loss"].astype(np.float64)
        off = ~(np.abs(told - loss) <= _LOSS * np.maximum(1.0, np.abs(loss)))
        # Of a class whose logit was not kept it is known that it was less than those that were.
        off = np.where(known, off, told < loss - _LOSS)
        found.append(_counted(off | np.isnan(told), "has another loss than its logits give"))
    return [text for text in found if text]


def _counted(off: NDArray[np.bool_], words: str) -> str:
    """Return in a sentence of how many images something holds; nothing where of none."""
    number = int(off.sum())
    return f"{number:,} of {len(off):,} test images: each {words}" if number else ""


def _not_largest(logits: Logits, answers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return of which images another class than the predicted one has the largest logit, (N,)."""
    if logits.top is None:
        outside = answers >= logits.width
        own = np.take_along_axis(logits.logits, np.where(outside, 0, answers)[:, None], axis=1)[
            :, 0
        ]
        return np.asarray(outside | (own < logits.logits.max(axis=1, initial=-np.inf)))
    largest = logits.logits.max(axis=1, keepdims=True, initial=-np.inf)
    named = (logits.top == answers[:, None]) & (logits.logits == largest)
    return np.asarray(~named.any(axis=1))


def _of_logits(
    logits: Logits,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return confidences, losses, and of which images the true class's logit was kept, each (N,).

    Where it was not, the loss is the least that it can be: that of the smallest logit kept.
    """
    number = len(logits)
    confidence, loss = np.empty(number), np.empty(number)
    known = np.ones(number, dtype=bool)
    for start in range(0, number, _SLAB):
        rows = slice(start, start + _SLAB)
        part = logits.rows(rows)
        kept, _ = part.kept_probabilities()
        confidence[rows] = kept.max(axis=1, initial=0)
        if part.top is None:
            own = np.take_along_axis(kept, part.classes[:, None], axis=1)[:, 0]
        else:
            here = part.top == part.classes[:, None]
            known[rows] = here.any(axis=1)
            own = np.where(known[rows], (kept * here).sum(axis=1), kept.min(axis=1))
        with np.errstate(divide="ignore"):
            loss[rows] = -np.log(np.maximum(own, np.finfo(np.float64).tiny))
    return confidence, loss, known


def _check_validation(run: Subject, logits: Logits, findings: Findings) -> bool:
    """Check the validation score by which the model was chosen, and return whether it fits."""
    told, selection = numbers(run.result.get("val")), run.result.get("selection")
    if not len(logits):
        return True
    if not told:
        findings.add("wrong", "result.json lacks the scores of the validation images", run)
        return False
    if run.result.get("before_test"):
        findings.add(
            "unchecked",
            "validation scores were not recomputed: the logits are of the model after it learnt on "
            "the test images",
            run,
        )
        return True
    try:
        facts = read_data_facts(run.folder)
    except DataError as problem:
        findings.add("wrong", within(run, problem), run)
        return False
    confidence, loss, _ = _of_logits(logits)
    column = logits.logits.argmax(axis=1)
    answers = column if logits.top is None else logits.top[np.arange(len(column)), column]
    predictions = Predictions(
        y=logits.classes, d=logits.domains, prediction=answers.astype(np.int64),
        confidence=confidence, nll=loss, counts=facts["shot_counts"],
        **ShotRule.from_dict(facts["shots"]).as_dict(),
    )  # fmt: skip
    try:
        found = numbers(compute_metrics(predictions, chosen=False))
    except LtbenchError as problem:
        findings.add("unchecked", f"validation scores were not recomputed: {problem}", run)
        return True
    off = [
        name
        for name, value in told.items()
        if name in found and abs(value - found[name]) > _VALIDATION * max(1.0, abs(found[name]))
    ]
    if off and logits.top is not None:  # the losses of classes that were not kept are unknown
        off = [name for name in off if "loss" not in name]
    chosen = numbers(selection).get("value")
    metric = selection.get("metric") if isinstance(selection, dict) else None
    if isinstance(metric, str) and metric in told and chosen != told[metric]:
        off.append(f"selection by {metric}")
    for name in off[:1]:
        findings.add(
            "wrong", f"result.json holds other validation scores than its logits give: {name}", run
        )
    return not off
