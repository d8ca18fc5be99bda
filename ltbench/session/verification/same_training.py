"""Tells why two methods may come to one model at one seed, each by its own specification."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ltbench.errors import LtbenchError
from ltbench.plugins.modifier import Modifier
from ltbench.plugins.names import parse_name
from ltbench.plugins.resolve import MODIFIERS, resolve, resolve_written
from ltbench.results.component import Component
from ltbench.results.run import RunSpec
from ltbench.session.no_effect import without_effect
from ltbench.session.verification.finding import Subject


def why_alike(one: Subject, other: Subject) -> str:
    """Return, as a sentence, what may make a run the same as another of its seed.

    Its method is the other's and something more, which may have done nothing up to the step whose
    weights were tested: an average that begins later, or a part of the algorithm that does. Empty
    where the specification tells of no such thing, or is not possible here.
    """
    asked, without = one.asked, other.asked
    if asked is None or without is None or one.combined or other.combined:
        return ""
    if asked.seed != without.seed or asked.setting() != without.setting():
        return ""
    try:
        return _averages(asked, without) or _late_parts(asked, without, _tested(one))
    except LtbenchError:  # a plugin that is not here
        return ""


def _averages(asked: RunSpec, without: RunSpec) -> str:
    """Say by which averages alone a run differs, if they may begin after the tested weights."""
    averages = [one for part in asked.parts for one in part.modifiers if _may_wait(one)]
    bare = [
        replace(part, modifiers=tuple(one for one in part.modifiers if one not in averages))
        for part in asked.parts
    ]
    if not averages or bare != list(without.parts):
        return ""
    names = ", ".join(f"@{one.name}" for one in averages)
    return f"{names} may not have begun to average before the step that was chosen"


def _may_wait(modifier: Component) -> bool:
    """Return whether a modifier gives weights to be evaluated, and may have none for a time."""
    cls, _ = resolve_written(MODIFIERS, modifier.name, modifier.hparams)
    told = inspect.signature(cls.weights).return_annotation
    from_the_first = told is not inspect.Signature.empty and "None" not in str(told)
    return cls.weights is not Modifier.weights and not from_the_first


def _late_parts(asked: RunSpec, without: RunSpec, tested: int | None) -> str:
    """Say what of an algorithm did nothing, where it stands on the algorithm of the other."""
    if asked.stages != without.stages or asked.algorithm.modifiers != without.algorithm.modifiers:
        return ""
    algorithm = without.algorithm
    _, hparams = resolve_written("algorithms", algorithm.name, algorithm.hparams)
    if (algorithm.name, hparams.as_dict()) not in _stands_on(asked.algorithm):
        return ""
    return next(without_effect(asked, tested), "")


def _stands_on(algorithm: Component) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the algorithms that one names as its parts, a loss, with their hyper-parameters."""
    _, hparams = resolve_written("algorithms", algorithm.name, algorithm.hparams)
    for key, bounds in hparams.bounds().items():
        if bounds.names == "algorithms" and (text := str(getattr(hparams, key))):
            inner = parse_name(text)
            _, own = resolve("algorithms", inner.name, inner.options)
            yield inner.name, own.as_dict()


def _tested(run: Subject) -> int | None:
    """Return the step of an algorithm's training whose weights were tested, if a run says so."""
    selection = run.result.get("selection")
    step = selection.get("step") if isinstance(selection, dict) else None
    return step if type(step) is int and not run.record.stages else None
