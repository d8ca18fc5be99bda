"""What a method is called: as it was typed, with the budget of its tuning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ltbench.results.tuned import HPARAMS, axes_of, found_words

_LONGEST_LABEL = 200


def method_label(method: str, tuned: Mapping[str, Any] | None, variant: str = "") -> str:
    """Return how a table names a method.

    Args:
        method: the algorithm with its stages, as typed.
        tuned: how it was tuned, if it was, with what was ``found`` of the protocol's settings.
        variant: first digits of the hash, where several methods of one name must be told apart.
    """
    words = f" #{variant}" if variant else ""
    words += f" ({describe_tuning(tuned)})" if tuned else ""
    if len(method) + len(words) > _LONGEST_LABEL:  # what is longer is cut, and the words stay
        method = f"{method[: _LONGEST_LABEL - len(words) - 1]}…"
    return method + words


def describe_tuning(tuned: Mapping[str, Any]) -> str:
    """Return the budget of a search in a few words, different ones for different budgets.

    What it found of the protocol's settings follows; of hyper-parameters the method's name tells.
    No comma stands in it, because commas part the names of algorithms.
    """
    return "; ".join([budget_words(tuned, "+"), *_fixed(tuned), *_found(tuned, " ")])


def tuning_cell(tuned: Mapping[str, Any]) -> str:
    """Return the same for a column of its own, where commas may stand."""
    return "; ".join([budget_words(tuned), *_fixed(tuned), *_found(tuned, ", ")])


def budget_words(tuned: Mapping[str, Any], between: str = ", ", *, hparams: bool = False) -> str:
    """Return how many trials searched what: "tuned: 16 trials of hparams, lr".

    Args:
        tuned: the budget.
        between: what stands between the axes.
        hparams: whether the methods' own hyper-parameters are named where nothing else was
            searched.
    """
    search, trials, seed = (tuned.get(key) for key in ("search", "trials", "seed"))
    kind = "" if search == "random" else f"{search} "
    text = f"tuned: {trials} {kind}trials"
    if hparams or axes_of(tuned) != [HPARAMS]:
        text += f" of {between.join(axes_of(tuned))}"
    return f"{text} at seed {seed}" if seed else text


def _fixed(tuned: Mapping[str, Any]) -> list[str]:
    fixed = " ".join(key.rpartition(".")[2] for key in tuned.get("fixed", {}))
    return [f"fixed {fixed}"] if fixed else []


def _found(tuned: Mapping[str, Any], between: str) -> list[str]:
    words = between.join(found_words(tuned))
    return [words] if words else []


def method_of(spec: Mapping[str, Any], tuned: Mapping[str, Any] | None) -> str:
    """Return the method that ``spec.json`` names.

    Files written before there was a ``method`` have it at the beginning of the label, before the
    words that :func:`method_label` makes of the same ``tuned``.
    """
    method, label = spec.get("method"), str(spec["label"])
    if isinstance(method, str) and method:
        return method
    return label.removesuffix(f" ({describe_tuning(tuned)})") if tuned else label
