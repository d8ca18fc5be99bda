"""Hyper-parameters: typed fields with bounds, which serve validation and tuning alike.

::

    class HParams(HParams):
        gamma: float = hparam(1.0, low=0.0, search=(0.5, 5.0), log=True)
"""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Self, dataclass_transform

from ltbench.errors import SHOWN, UsageError, nearest, suggestion
from ltbench.plugins.names import as_typed, format_value, parse_value, read_number
from ltbench.plugins.text import check_printable, visible

LARGEST_WHOLE = 2**63 - 1
"""What a whole number may be at most, so that every column, generator and file can hold it."""

_KINDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number of at most 64 bits",
    float: "a finite number",
    str: "text",
    tuple[float, ...]: "a list of numbers",
    str | tuple[str, ...]: "a name, or a list of names",
}


@dataclass(frozen=True)
class Bounds:
    """What a hyper-parameter may be, and where a search looks for it.

    Attributes:
        low, high: inclusive bounds of a number; ``None`` is unbounded.
        choices: the only values allowed, for text and enumerations.
        search: the interval a search draws from, uniformly or (``log``) log-uniformly.
        log: whether the search is on the logarithm.
        help: one line for ``ltbench plugins info``.
        names: the registry (``algorithms``, say) of the plugin that the value names, if any; a
            run's identity then holds the version of that plugin too.
        place: whether it says where something lies on this machine, which is no part of what makes
            a run the run it is.
        later: whether it came after runs had been made without it, which were what its default
            is: there it is no part of their identity.
        steps: where it counts optimisation steps, what becomes of a protocol's value in a training
            of another length than the protocol's: ``proportion`` or ``whole``, as for
            :func:`hparam`.
        before: what runs had that were written before it was a hyper-parameter, where that is not
            the default.
        begins: whether it is the step with which something begins that the method is about.
        betas: whether it is one of the optimiser's betas.
    """

    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] | None = None
    search: tuple[float, float] | None = None
    log: bool = False
    help: str = ""
    names: str | None = None
    place: bool = False
    later: bool = False
    steps: str = ""
    before: Any = None
    begins: bool = False
    betas: bool = False


def hparam(
    default: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[Any] | None = None,
    search: tuple[float, float] | None = None,
    log: bool = False,
    help: str = "",
    names: str | None = None,
    place: bool = False,
    later: bool = False,
    steps: Literal["", "proportion", "whole"] = "",
    before: Any = None,
    begins: bool = False,
    betas: bool = False,
) -> Any:
    """Declare a hyper-parameter of an :class:`HParams` class.

    Args:
        default: the value when nothing is given.
        low: smallest value allowed.
        high: largest value allowed.
        choices: the only values allowed.
        search: interval that tuning draws from; ``(low, high)`` where both are given.
        log: draw on a logarithmic scale.
        help: one line of explanation.
        names: the registry of the plugin that the value names, ``algorithms`` for example.
        place: of a data set, that the value is a path: runs on the same images are the same run
            wherever the images lie (:meth:`ltbench.api.Dataset.image_files`).
        later: it came after runs had been made, to which its default is true: their hashes stay,
            for at its default it is not written down, nor searched without an interval.
        steps: it counts optimisation steps. A value that a protocol sets is meant for its whole
            length; in another it is scaled in ``proportion``, or, if it is for the ``whole``
            length alone, the default takes its place.
        before: it came after runs had been made, which had this value where its default is
            another: such runs go on with it, and at this value it is not written down. Nor is it
            searched without an interval.
        begins: it is the step with which something begins that the method is about, a penalty for
            example. Of a training that ends before it a sentence says so.
        betas: it is one of the shares by which optimisers like Adam average gradients, their
            ``betas``. For an optimiser without any a search leaves it out, and a sentence says of
            another value than the default that it has no effect.
    """
    if search is None and low is not None and high is not None:
        search = (low, high)
    allowed = tuple(choices) if choices else None
    bounds = Bounds(
        low, high, allowed, search, log, help, names, place, later, steps, before, begins, betas
    )
    return dataclasses.field(default=default, metadata={"bounds": bounds})


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(hparam,))
class HParams:
    """Base of every set of hyper-parameters; subclasses become frozen data classes."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True, kw_only=True)(cls)

    @classmethod
    def bounds(cls) -> dict[str, Bounds]:
        """Return the bounds of every hyper-parameter, by name."""
        return dict(_bounds(cls))  # type: ignore[arg-type]

    @classmethod
    def from_options(cls, options: Mapping[str, Any], owner: str) -> Self:
        """Build from typed options, checking names, types and bounds.

        Args:
            options: key to value, as parsed from ``name[key=value]``.
            owner: the name to put in error messages.

        Raises:
            UsageError: unknown key, wrong type, or a value out of its bounds.
        """
        types, bounds = typing.get_type_hints(cls), cls.bounds()
        values = {}
        for key, value in options.items():
            if key not in bounds:
                raise UsageError(f"{owner} has no hyper-parameter '{key}'{suggestion(key, bounds)}")
            where = f"{owner}[{key}={visible(format_value(value))}]"
            values[key] = check_value(value, types[key], bounds[key], where)
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """Return every hyper-parameter by name, ready for JSON.

        What came after runs had been made is left out where it is what these had, so that they are
        the same runs.
        """
        bounds, written = self.bounds(), {}
        for f in _fields(type(self)):
            one, value = bounds[f.name], getattr(self, f.name)
            came_later = one.later or one.before is not None
            if not came_later or value != (f.default if one.later else one.before):
                written[f.name] = value
        return written

    def places(self) -> dict[str, Any]:
        """Return those that say where something lies."""
        return {name: getattr(self, name) for name, b in self.bounds().items() if b.place}

    def changed(self, since: Self | None = None) -> dict[str, Any]:
        """Return the hyper-parameters that differ from their defaults, or from others'."""
        base = {
            f.name: f.default if since is None else getattr(since, f.name)
            for f in _fields(type(self))
        }
        return {
            key: getattr(self, key) for key, value in base.items() if getattr(self, key) != value
        }


dataclass(frozen=True, kw_only=True)(HParams)


def _fields(cls: type[HParams]) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(cls)  # type: ignore[arg-type]


@cache
def _bounds(cls: type[HParams]) -> Mapping[str, Bounds]:
    return {f.name: f.metadata.get("bounds", Bounds()) for f in _fields(cls)}


def check_value(value: Any, kind: Any, bounds: Bounds, where: str) -> Any:
    """Return a value in the type of its hyper-parameter.

    Args:
        value: as typed, or from JSON.
        kind: the annotated type.
        bounds: what it may be.
        where: what the message of an error begins with.

    Raises:
        UsageError: it has another type or is out of bounds.
    """
    typed = _convert(value, kind, where)
    _check(typed, bounds, where)
    return typed


def _convert(value: Any, wanted: Any, where: str) -> Any:
    """Return ``value`` as the annotated type, or say why it is not one."""
    if wanted in (int, float) and isinstance(value, str):
        read = read_number(value)
        if read is not None and parse_value(value) == value:  # 1_000, and nothing in quotes
            value = read
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if wanted is bool and isinstance(value, bool):
        return value
    if wanted is int and number:
        if abs(value) <= LARGEST_WHOLE and value == int(value):
            return int(value)
    elif wanted is float and number:
        if abs(value) <= sys.float_info.max:
            return float(value)
    elif wanted == tuple[float, ...] and isinstance(value, list | tuple):
        return tuple(_convert(item, float, where) for item in value)
    elif wanted == str | tuple[str, ...] and isinstance(value, list | tuple):
        return tuple(_convert(item, str, where) for item in value)
    elif wanted in (str, str | tuple[str, ...]) and not isinstance(value, list | tuple):
        text = value if isinstance(value, str) else as_typed(value)
        check_printable(text, where)
        return text
    if wanted not in _KINDS:
        raise TypeError(f"{where}: a hyper-parameter cannot be of type {wanted}")
    raise UsageError(f"{where} is out of place: the value must be {_KINDS[wanted]}")


def _check(value: Any, bounds: Bounds, where: str) -> None:
    if isinstance(value, tuple):
        for item in value:
            _check(item, bounds, where)
        return
    if bounds.choices is not None and value not in bounds.choices:
        near = nearest(str(value), map(str, bounds.choices))
        if len(bounds.choices) > SHOWN and near:
            raise UsageError(f"{where} is not possible; did you mean '{near}'?")
        known = ", ".join(map(format_value, bounds.choices[:SHOWN]))
        more = ", …" if len(bounds.choices) > SHOWN else ""
        raise UsageError(f"{where} is not possible: choose one of {known}{more}")
    if bounds.low is not None and value < bounds.low:
        raise UsageError(f"{where} is out of range: the least is {bounds.low:g}")
    if bounds.high is not None and value > bounds.high:
        raise UsageError(f"{where} is out of range: the most is {bounds.high:g}")
