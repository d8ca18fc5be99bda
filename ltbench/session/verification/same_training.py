"""Tells why two methods may come to one model at one seed, each by its own specification."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ltbench.errors import LtbenchError
from ltbench.plugins.modifier import Modifier
from ltbench.plugins.names import parse_name
from ltbench.plugins.resolve import MODIFIERS, resolve, resolve_written
from ltbench.results.component import Component
from ltbench.session.no_effect import without_effect
from ltbench.session.verification.finding import Subject

_Parts = list[dict[str, Any]]


def why_alike(one: Subject, other: Subject) -> str:
    """Return, as a sentence, what may make a run the same as another of its seed.

    Its method is the other's and something more, which may have done nothing up to the step whose
    weights were tested: an average that begins later, or a part of the algorithm that does. Empty
    where the specification tells of no such thing, or is not possible here.
    """
    if not _comparable(one, other):
        return ""
    try:
        asked = _written(other.asked.parts) if other.asked else []
        return next((why for parts, why in _without(one) if parts == asked), "")
    except LtbenchError:  # a plugin that is not here
        return ""


def why_both_alike(one: Subject, other: Subject) -> str:
    """Return what may make two runs of a seed the same as a third method, as a sentence."""
    if not _comparable(one, other):
        return ""
    try:
        theirs = list(_without(other))
        for parts, why in _without(one):
            if reasons := [their for same, their in theirs if same == parts]:
                return "; and ".join(dict.fromkeys([why, reasons[0]]))
    except LtbenchError:  # a plugin that is not here
        pass
    return ""


def _comparable(one: Subject, other: Subject) -> bool:
    """Return whether two runs are of one seed and setting, and are trained."""
    if one.asked is None or other.asked is None or one.combined or other.combined:
        return False
    return one.asked.seed == other.asked.seed and one.asked.setting() == other.asked.setting()


def _without(run: Subject) -> Iterator[tuple[_Parts, str]]:
    """Yield what a run's method is without what may have done nothing, and why it may have not."""
    asked = run.asked
    assert asked is not None  # by those who ask
    averages = [one for part in asked.parts for one in part.modifiers if _may_wait(one)]
    if averages:
        bare = [
            replace(part, modifiers=tuple(one for one in part.modifiers if one not in averages))
            for part in asked.parts
        ]
        names = ", ".join(f"@{one.name}" for one in averages)
        yield (
            _written(bare),
            f"{names} may not have begun to average before the step that was chosen",
        )
    if why := next(without_effect(asked, _tested(run)), ""):
        for name, hparams in _stands_on(asked.algorithm):
            inner = Component(name, hparams, asked.algorithm.modifiers)
            yield _written([inner, *asked.stages]), why


def _written(parts: Sequence[Component]) -> _Parts:
    """Return parts as an identity holds them, the algorithm with all of its hyper-parameters."""
    algorithm, *stages = parts
    _, hparams = resolve_written("algorithms", algorithm.name, algorithm.hparams)
    return [replace(algorithm, hparams=hparams.as_dict()).as_dict(), *(s.as_dict() for s in stages)]


def _may_wait(modifier: Component) -> bool:
    """Return whether a modifier gives weights to be evaluated, and may have none for a time."""
    cls, _ = resolve_written(MODIFIERS, modifier.name, modifier.hparams)
    told = inspect.signature(cls.weights).return_annotation
    from_the_first = told is not inspect.Signature.empty and "None" not in str(told)
    return cls.weights is not Modifier.weights and not from_the_first


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
