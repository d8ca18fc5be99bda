"""Checks what a run says that it is: hashes, its log, and the training that this tells of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ltbench.errors import LtbenchError
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.manager import get_plugins
from ltbench.regular_files import read_file
from ltbench.results.component import Component
from ltbench.results.protocol import SELECTION, Protocol
from ltbench.results.run import RunSpec, canonical_hash
from ltbench.results.tuned import not_searched
from ltbench.results.untrusted import clean, numbers, read_log
from ltbench.session.verification.finding import Findings, Subject
from ltbench.training.first_stage import log_digest
from ltbench.training.steps import stage_steps

_LARGEST_LOG = 256 * 2**20
_MOST_NAMED = 4
_MOST_STEPS = 10_000_000  # of a training; a specification may hold any number


def read_asked(spec: Mapping[str, Any]) -> RunSpec | None:
    """Return what a ``spec.json`` asks for, or ``None`` where it asks for nothing possible."""
    try:
        asked = RunSpec.from_dict(dict(spec))
        canonical_hash(asked.shared_setting())
    except (LtbenchError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None
    texts = isinstance(asked.split, str) and isinstance(asked.images, str)
    return asked if texts and isinstance(asked.plugins, dict) else None


def check_specification(run: Subject, findings: Findings) -> None:
    """Check hashes of identity and protocol against what ``spec.json`` holds."""
    try:
        own = canonical_hash(run.spec["identity"])
    except (KeyError, TypeError, ValueError, RecursionError):
        own = ""
    if own != run.record.hash:
        findings.add("wrong", "spec.json was edited: its hash is not that of its identity", run)
    if run.asked is None:
        findings.add("wrong", "spec.json asks for what this version of ltbench cannot run", run)
        return
    if strange := not_searched(run.asked.tuned or {}):
        findings.add(
            "wrong",
            "its identity names as the search's what its axes do not have or no search varies: "
            f"{', '.join(strange[:_MOST_NAMED])}",
            run,
        )
    if canonical_hash(run.asked.shared_setting()) != run.record.protocol_hash:
        findings.add(
            "wrong",
            "spec.json was edited: protocol_hash is not that of its data set, protocol, backbone "
            "and precision",
            run,
        )


def check_selection(run: Subject, findings: Findings) -> None:
    """Check that the model was chosen by what the protocol chooses by, and that it has a score."""
    selection = run.result.get("selection")
    if run.asked is None or (run.combined and selection is None):
        return
    wanted = run.asked.protocol.selection_metric
    metric = selection.get("metric") if isinstance(selection, dict) else None
    if metric != wanted:
        text = f"result.json does not choose its model by {wanted}, as its protocol does"
        findings.add("wrong", text, run)
    elif metric != SELECTION["last"] and metric not in numbers(run.result.get("val")):
        findings.add("wrong", f"result.json lacks the {metric} by which its model was chosen", run)


def check_log(run: Subject, findings: Findings) -> bool:
    """Check ``log.jsonl``: that it is the run's, whole, and of the protocol that it claims.

    Returns:
        Whether it tells of all that is checked; what was made of other runs has none.
    """
    if run.combined:
        return True
    if not run.log:
        findings.add(
            "unchecked", "the course of training was not checked: no log was handed in", run
        )
        return False
    try:
        content = read_file(run.folder / "log.jsonl", _LARGEST_LOG)
    except OSError as error:
        findings.add("wrong", f"log.jsonl cannot be read: {error.strerror}", run)
        return False
    told = run.result.get("log_sha256")
    if told is None:
        findings.add("unchecked", "the log was not checked: result.json has no digest of it", run)
    elif log_digest(content) != told:
        findings.add("wrong", "log.jsonl is not the log of which result.json has the digest", run)
    lines = list(read_log(run.folder))
    if len(lines) != len(content.splitlines()):
        findings.add("wrong", "log.jsonl is torn: some of its lines are no JSON objects", run)
    for text in (*_against_selection(run.result, lines), *_against_protocol(run, lines)):
        findings.add("wrong", text, run)
    if run.asked is None or all("lr" in line for line in lines):
        return True
    findings.add("unchecked", "learning rates were not checked: log.jsonl does not tell them", run)
    return False


def _against_selection(result: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what does not hold of the model that was chosen, by the evaluations of the log."""
    selection = result.get("selection")
    if not isinstance(selection, dict):
        return []
    stage, step, metric = (selection.get(key) for key in ("stage", "step", "metric"))
    here = [line for line in lines if line.get("stage") == stage and line.get("step") == step]
    if not here and step:  # a stage that is not trained chooses without an evaluation
        return ["log.jsonl has no evaluation at the step whose model was chosen"]
    scores = {numbers(line.get("val")).get(str(metric)) for line in here}
    if metric != "step" and here and numbers(selection).get("value") not in scores:
        return ["log.jsonl has another score at the step whose model was chosen"]
    return []


def _against_protocol(run: Subject, lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what does not hold of steps and evaluations, by the protocol that is claimed."""
    if run.asked is None:
        return []
    try:
        steps = stage_steps(run.asked)
    except LtbenchError:  # a plugin that is not here
        return []
    if max(steps) > _MOST_STEPS:
        return [f"spec.json asks for more than {_MOST_STEPS:,} steps, which nobody trains"]
    at, others = _evaluated(lines, [part.title for part in run.asked.parts])
    for part, count, own in zip(run.asked.parts, steps, at, strict=True):
        if found := _course(run, run.asked.protocol, part, count, own):
            return [found]
    if others:
        return ["log.jsonl is of another protocol than spec.json claims: it holds other stages"]
    return _rates(run, lines, run.asked.algorithm.title) if steps[0] else []


def _evaluated(
    lines: Sequence[Mapping[str, Any]], titles: Sequence[str]
) -> tuple[list[list[int]], int]:
    """Return the steps at which each stage was evaluated, and how many lines are of none."""
    told = [(line.get("stage"), int(numbers(line).get("step", -1))) for line in lines]
    found: list[list[int]] = []
    place = 0
    for title in titles:
        own: list[int] = []
        while place < len(told) and told[place][0] == title:
            if own and told[place][1] <= own[-1]:  # of the next stage, of the same title
                break
            own.append(told[place][1])
            place += 1
        found.append(own)
    return found, len(told) - place


def _course(
    run: Subject, protocol: Protocol, part: Component, steps: int, at: Sequence[int]
) -> str:
    """Return what does not hold of the evaluations of one stage; nothing where all does."""
    expected = [step for step in range(1, steps + 1) if protocol.evaluates_at(step, steps)]
    expected = expected or [0]  # what is not trained is evaluated once
    selection = run.result.get("selection")
    stopped = selection.get("stopped") if isinstance(selection, dict) else None
    may_end = protocol.patience or part.modifiers  # nothing else ends a stage early
    early = stopped if isinstance(stopped, list) and may_end else ()
    ended = any(isinstance(one, dict) and one.get("stage") == part.title for one in early)
    last = at[-1] if at else 0
    if list(at) == expected or (ended and last < steps):
        return ""
    return (
        f"log.jsonl is of another protocol than spec.json claims: its {part.title} was evaluated "
        f"{len(at)} times up to step {last:,}, and {steps:,} steps were asked for, evaluated "
        f"{len(expected):,} times"
    )


def _rates(run: Subject, lines: Sequence[Mapping[str, Any]], first: str) -> list[str]:
    """Return what does not hold of learning rates, where these do not change."""
    assert run.asked is not None
    protocol = run.asked.protocol
    own = _has_own_rates(run.asked)
    if protocol.schedule != "constant" or protocol.warmup or own:
        return []
    told = [line["lr"] for line in lines if line.get("stage") == first and "lr" in line]
    rates = dict.fromkeys(numbers({"lr": rate}).get("lr", math.nan) for rate in told)
    # So turned that what is no number is off too.
    off = [rate for rate in rates if not abs(rate - protocol.lr) <= 1e-6 * protocol.lr]
    return [
        f"log.jsonl is of another protocol than spec.json claims: it trained with lr {rate:g}, and "
        f"{clean(str(protocol.lr))} was asked for"
        for rate in off[:1]
    ]


def _has_own_rates(asked: RunSpec) -> bool:
    """Return whether a method may train at rates of its own; nobody knows it of one not here."""
    if asked.algorithm.name not in get_plugins()["algorithms"]:
        return True
    cls = get_plugins()["algorithms"].get(asked.algorithm.name).load()
    steers = ("configure_optimizers", "before_step", "step", "loss")
    return bool(asked.algorithm.modifiers) or any(
        getattr(cls, name) is not getattr(Algorithm, name) for name in steers
    )
