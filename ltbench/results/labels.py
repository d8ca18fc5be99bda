"""What a method is called: as it was typed, with the budget of its tuning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LONGEST_LABEL = 200


def method_label(method: str, tuned: Mapping[str, Any] | None, variant: str = "") -> str:
    """Return how a table names a method.

    Args:
        method: the algorithm with its stages, as typed.
        tuned: how its hyper-parameters were searched for, if they were.
        variant: first digits of the hash, where several methods of one name must be told apart.
    """
    words = f" #{variant}" if variant else ""
    words += f" ({describe_tuning(tuned)})" if tuned else ""
    if len(method) + len(words) > _LONGEST_LABEL:  # what is longer is cut, and the words stay
        method = f"{method[: _LONGEST_LABEL - len(words) - 1]}…"
    return method + words


def describe_tuning(tuned: Mapping[str, Any]) -> str:
    """Return the budget of a search in a few words, different ones for different budgets.

    No comma stands in it, because commas part the names of algorithms.
    """
    search, trials, seed = (tuned.get(key) for key in ("search", "trials", "seed"))
    kind = "" if search == "random" else f"{search} "
    text = f"tuned: {trials} {kind}trials"
    if seed:
        text += f" at seed {seed}"
    fixed = " ".join(key.rpartition(".")[2] for key in tuned.get("fixed", {}))
    return f"{text}; fixed {fixed}" if fixed else text


def method_of(spec: Mapping[str, Any], tuned: Mapping[str, Any] | None) -> str:
    """Return the method that ``spec.json`` names.

    Files written before there was a ``method`` have it at the beginning of the label, before the
    words that :func:`method_label` makes of the same ``tuned``.
    """
    method, label = spec.get("method"), str(spec["label"])
    if isinstance(method, str) and method:
        return method
    return label.removesuffix(f" ({describe_tuning(tuned)})") if tuned else label
