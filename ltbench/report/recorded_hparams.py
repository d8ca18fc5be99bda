"""Hyper-parameters of runs, with those that a run does not record because they came later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ltbench.errors import LtbenchError
from ltbench.plugins.hparams import HParams
from ltbench.plugins.lookup import load_plugin
from ltbench.plugins.names import AT


def complete_hparams(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the hyper-parameters of each run, of one algorithm, so that they can be compared.

    A run leaves out what came after others had been made without it, where it is what these had.
    Here it has each one that any of the runs records, but for those that have no effect in it, as
    ``start`` of an ``ldam`` without ``normalized``. Where that is not known, because the algorithm
    is not installed, or is another version, it has ``None``.

    Args:
        runs: rows of :attr:`ltbench.results.frame.Runs.table`, with ``algorithm`` and ``hparams``.
    """
    found: list[dict[str, Any]] = list(runs["hparams"])
    recorded = {key: value for one in found for key, value in one.items()}
    if all(recorded.keys() == one.keys() for one in found):
        return found
    classes = {title: _classes(title) for title in set(runs["algorithm"])}
    return [
        _completed(one, recorded, classes[title])
        for one, title in zip(found, runs["algorithm"], strict=True)
    ]


def _classes(title: str) -> dict[str, type[HParams]]:
    """Return the hyper-parameters of an algorithm and its modifiers, by what their keys begin with.

    Those that are not installed are left out.
    """
    head, *modifiers = title.split(AT)
    found = {}
    kinds = [("algorithms", head, ""), *(("modifiers", name, f"{name}.") for name in modifiers)]
    for kind, name, prefix in kinds:
        try:
            found[prefix] = load_plugin(kind, name).HParams
        except LtbenchError:
            continue
    return found


def _completed(
    own: Mapping[str, Any], recorded: Mapping[str, Any], classes: Mapping[str, type[HParams]]
) -> dict[str, Any]:
    """Return the hyper-parameters of one run.

    Args:
        own: what it records.
        recorded: a value of each hyper-parameter that any run records.
        classes: as of :func:`_classes`.
    """
    found = {}
    for key, other in recorded.items():
        if key in own:
            found[key] = own[key]
            continue
        owner, dot, name = key.rpartition(".")
        known = classes.get(owner + dot)
        bounds = known.bounds().get(name) if known else None
        if known is None or bounds is None or not (bounds.later or bounds.before is not None):
            found[key] = None
        elif _has_effect(known, name, other, own, owner + dot):
            value = getattr(known(), name) if bounds.later else bounds.before
            found[key] = list(value) if isinstance(value, tuple) else value
    return found


def _has_effect(
    known: type[HParams], name: str, other: Any, own: Mapping[str, Any], prefix: str
) -> bool:
    """Return whether a run would record another value of a hyper-parameter."""
    values = {key: own[f"{prefix}{key}"] for key in known.bounds() if f"{prefix}{key}" in own}
    return name in known(**values, **{name: other}).as_dict()
