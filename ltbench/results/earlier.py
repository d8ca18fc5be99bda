"""What earlier versions wrote, in the terms of this one: shot accuracies.

Once ``accuracy_many``, ``accuracy_medium``, ``accuracy_few`` and ``accuracy_zero`` were over the
images of a shot. Now these names stand for the mean over domain-class pairs, and the others end in
``_pooled``. Nothing that is reported may mix the two, so runs of that time get the new values from
their confusion matrices, and where those are lacking only the pooled ones are known.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

from ltbench.errors import DataError
from ltbench.plugins.shots import SHOTS, ShotRule

POOLED = {f"accuracy_{shot}": f"accuracy_{shot}_pooled" for shot in SHOTS}
"""The names of means over pairs, with those of the same over images."""

_MOST_IMAGES = 2**31
_WRONG = (KeyError, TypeError, ValueError, OverflowError, AttributeError)


def is_earlier(metrics: object) -> bool:
    """Return whether metrics are of the time when all shot accuracies were over images."""
    return isinstance(metrics, dict) and (
        not metrics.keys().isdisjoint(POOLED) and metrics.keys().isdisjoint(POOLED.values())
    )


def present_names(metrics: Any) -> Any:
    """Return metrics in which what is over images bears the name that says so."""
    if not is_earlier(metrics):
        return metrics
    others = {name: value for name, value in metrics.items() if name not in POOLED}
    return others | {POOLED[name]: metrics[name] for name in POOLED if name in metrics}


def present_result(spec: Mapping[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a ``result.json`` in the terms of this version.

    Args:
        spec: the content of the ``spec.json`` beside it.
        result: its content, of whatever version.
    """
    if not is_earlier(result.get("test")):
        return result
    renewed = {"test": _renamed(spec, result["test"])}
    for part in ("domains", "test_sets"):
        if isinstance(sets := result.get(part), dict):
            renewed[part] = {name: _renamed(spec, metrics) for name, metrics in sets.items()}
    # What the matrices do not tell stays missing.
    with contextlib.suppress(*_WRONG):
        for domain, values in _from_matrices(spec, result).items():
            place = renewed["test"] if domain is None else renewed.get("domains", {}).get(domain)
            if isinstance(place, dict):
                place.update(values)
    return result | renewed


def shot_rule(dataset: object, shots: Mapping[str, Any]) -> ShotRule:
    """Return the rule of the shots that ``data`` in a ``spec.json`` holds.

    Earlier versions did not write whether the limits themselves are few- or many-shot. For the
    data sets of the registry that is what it says of the same limits; else few-shot pairs are
    those with at most ``few`` images.

    Args:
        dataset: the data set's name.
        shots: ``many`` and ``few``, and in new documents what the limits themselves are.

    Raises:
        TypeError, ValueError, AttributeError: these are no limits.
    """
    rule = ShotRule.from_dict(shots)
    known = _registered(dataset) if "few_inclusive" not in shots else None
    return known if known and (known.many, known.few) == (rule.many, rule.few) else rule


def _renamed(spec: Mapping[str, Any], metrics: Any) -> Any:
    """Return metrics under the present names, without those that another rule of shots gave."""
    renamed = present_names(metrics)
    if renamed is metrics:
        return metrics
    try:
        shots = spec["data"]["shots"]
        kept = _rule_of(spec) == shot_rule(None, shots)
    except _WRONG:
        kept = True
    gone = () if kept else POOLED.values()
    return {name: value for name, value in renamed.items() if name not in gone}


def _rule_of(spec: Mapping[str, Any]) -> ShotRule:
    return shot_rule(spec["identity"]["dataset"]["name"], spec["data"]["shots"])


def _from_matrices(
    spec: Mapping[str, Any], result: Mapping[str, Any]
) -> dict[str | None, dict[str, float | None]]:
    """Return the shot accuracies of the whole test set (``None``) and of each domain in it.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: a document does not hold what it should.
    """
    rule, data, matrices = _rule_of(spec), spec["data"], result["confusion"]
    classes = len(data["classes"])
    pairs: dict[str | None, list[tuple[int, int, int]]] = {}
    for domain, train in zip(data["domains"], data["counts"]["train"], strict=True):
        if domain in matrices:
            rows = enumerate(_whole_numbers(row, classes) for row in matrices[domain])
            tested = [(row[c], sum(row)) for c, row in rows]
            counts = zip(_whole_numbers(train, classes), tested, strict=True)
            pairs[domain] = [(n, right, images) for n, (right, images) in counts]
    whole = [pair for found in pairs.values() for pair in found]
    return {domain: rule.accuracies(found) for domain, found in {None: whole, **pairs}.items()}


def _whole_numbers(values: Any, length: int) -> list[int]:
    """Return a list of so many counts.

    Raises:
        ValueError: it is something else.
    """
    counts = isinstance(values, list) and len(values) == length and set(map(type, values)) == {int}
    if not counts or not 0 <= min(values) <= max(values) < _MOST_IMAGES:
        raise ValueError("these are no counts")
    return list(values)


@lru_cache(maxsize=64)
def _registered(dataset: object) -> ShotRule | None:
    """Return the rule that the registry has of a data set; the name may be anything."""
    from ltbench.plugins.facts import registry_facts

    files = (file.name for file in resources.files("datasets_registry").iterdir())
    if f"{dataset}.toml" not in files:
        return None
    try:
        return registry_facts(str(dataset)).shots
    except DataError:
        return None
