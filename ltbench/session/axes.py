"""What a search varies and how it draws: the words of ``--search``.

::

    hparams,lr,weight_decay   the methods' own hyper-parameters and two settings of the protocol
    batch-size                settings may be typed as their options are
    lr=1e-3                   from this value, in place of the protocol's own
    random                    or bayes: the sampler, as before there was ``--sampler``

Nothing here imports torch or numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ltbench.errors import UsageError, suggestion
from ltbench.plugins.hparams import HParams, check_value, hparam
from ltbench.plugins.names import Name, parse_name, parse_value, split_list
from ltbench.plugins.text import visible
from ltbench.results.protocol import protocol_settings
from ltbench.results.tuned import HPARAMS

SAMPLERS = ("random", "bayes")
DEFAULT = (HPARAMS, "lr", "weight_decay")
"""What is searched unless something else is asked for: every method has some of it, plain
cross-entropy too."""


@dataclass(frozen=True)
class Search:
    """What was asked for of a search.

    Attributes:
        axes: ``hparams`` and names of protocol settings, each once and in the order of
            :func:`known_axes`; empty where none was asked for.
        starts: values from which settings are searched, in place of the protocol's own.
        sampler: one of :data:`SAMPLERS`, or ``None`` where it was not asked for.
    """

    axes: tuple[str, ...] = ()
    starts: Mapping[str, Any] = field(default_factory=dict)
    sampler: str | None = None


class StudyBudget(HParams):
    """What ``--hparams best[…]`` may say of the study that is meant."""

    trials: int = hparam(16, low=1, help="settings that were tried")
    sampler: str = hparam("random", choices=SAMPLERS, help="how they were drawn")
    seed: int = hparam(0, low=0, help="seed of the search")


def parse_hparams(text: str) -> tuple[dict[str, Any] | None, ...]:
    """Return what ``--hparams`` asks for: ``None`` for the defaults, else what it says of a study.

    Args:
        text: ``default``, ``best``, or ``best[trials=8,sampler=random,seed=0]`` with some of these;
            or several of them, comma-separated.

    Raises:
        UsageError: it is something else.
    """
    return tuple(_one_of_hparams(parse_name(part)) for part in split_list(text))


def _one_of_hparams(name: Name) -> dict[str, Any] | None:
    if name == Name("default"):
        return None
    if name.name != "best":
        raise UsageError(f"'{visible(str(name))}' is not one of 'default', 'best'")
    typed = StudyBudget.from_options(name.options, "best").as_dict()
    return {key: typed[key] for key in name.options}


def hparams_text(asked: Iterable[Mapping[str, Any] | None]) -> str:
    """Return what :func:`parse_hparams` reads as ``asked``."""
    return ",".join("default" if one is None else str(Name("best", dict(one))) for one in asked)


def known_axes() -> tuple[str, ...]:
    """Return all that a search can vary."""
    return (HPARAMS, *(name for name, one in protocol_settings().items() if one.search))


def ordered(axes: Iterable[str]) -> tuple[str, ...]:
    """Return axes in the one order in which they are written down."""
    there = set(axes)
    return tuple(axis for axis in known_axes() if axis in there)


def parse_search(texts: Sequence[str]) -> Search:
    """Return what comma lists of axes ask for.

    Raises:
        UsageError: there is no such axis, a value is not possible, or two contradict each other.
    """
    axes: list[str] = []
    starts: dict[str, Any] = {}
    sampler: str | None = None
    for text in texts:
        for name, value in _parts(text):
            if name in SAMPLERS and not value:
                if sampler not in (None, name):
                    raise UsageError("--search names two samplers: leave one of them out")
                sampler = name
                continue
            axis = _axis(name)
            axes.append(axis)
            if value:
                start = _start(axis, value)
                if starts.setdefault(axis, start) != start:
                    raise UsageError(f"--search starts '{axis}' from two values: leave one out")
    return Search(ordered(axes), starts, sampler)


def _parts(text: str) -> Iterator[tuple[str, str]]:
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        name, sign, value = (word.strip() for word in part.partition("="))
        if not name or (sign and not value):
            raise UsageError(
                f"--search '{visible(text)}' lacks a name or a value: name what to search, like "
                f"{','.join(DEFAULT)}"
            )
        yield name, value


def _axis(name: str) -> str:
    """Return the axis that was typed as a field, or as an option with or without its dashes."""
    options = {one.option.removeprefix("--"): one.name for one in protocol_settings().values()}
    dashed = name.removeprefix("--").replace("_", "-")
    axis = options.get(dashed, dashed.replace("-", "_"))
    known = known_axes()
    if axis in known:
        return axis
    if axis in protocol_settings():
        raise UsageError(
            f"--search cannot vary '{visible(name)}', which has no interval: it varies "
            f"{', '.join(known)}"
        )
    raise UsageError(
        f"--search '{visible(name)}': there is no such axis{suggestion(axis, [*known, *SAMPLERS])}"
    )


def _start(axis: str, text: str) -> Any:
    if axis == HPARAMS:
        raise UsageError(
            "--search hparams takes no value: a hyper-parameter is set in brackets, --algo "
            "'boda[weight=0.5]'"
        )
    one = protocol_settings()[axis]
    shown = f"--search {axis}={visible(text)}"
    return check_value(parse_value(text), one.kind, one.bounds, shown)
