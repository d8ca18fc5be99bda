"""The one grammar for names: ``name[key=value,…]``, joined by ``@`` and ``+``, listed with ``,``.

::

    names  = chain ("," chain)*
    chain  = part ("+" part)*
    part   = name ("@" name)*
    name   = word ["[" key "=" value ("," key "=" value)* "]"]
    value  = number | true | false | "quoted" | [value, …] | name | plain text

What begins with a needless 0 or has a sign of its own between its digits (``007``, ``2024_05``) is
text, and a number remembers how it was typed (``1e3``), for options that are text.

A list as a value is a sweep: ``brl[alpha=[1e-3,1e-2]]`` stands for two names. A value with brackets
of its own is a name (``coral[loss=ldam[s=10]]``). Either quote serves; within it the same quote is
written twice, and a backslash is a backslash. Which characters a text may hold is judged where its
option is (:mod:`ltbench.plugins.hparams`).
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from ltbench.errors import UsageError
from ltbench.plugins.text import visible

MOST_NAMES = 100_000
"""How many names a text may stand for, and how many runs a sweep may have."""
_DEEPEST = 16  # brackets within brackets, in the value of an option
_LONGEST = 100_000
_LARGEST = 10**300  # a whole number that a float can still hold

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NUMBER = re.compile(
    r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?", re.IGNORECASE
)
_OPEN, _CLOSE, QUOTES = "[", "]", "\"'"
AT = "@"
"""What parts an algorithm or stage from the modifiers of its training."""


@dataclass(frozen=True)
class Name:
    """A registered name with options, as typed; ``str()`` gives the canonical spelling.

    Attributes:
        name: of the plugin.
        options: what stands in its brackets.
        modifiers: of an algorithm or stage, the modifiers typed behind it.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    modifiers: tuple[Name, ...] = ()

    def __str__(self) -> str:
        options = ",".join(f"{key}={format_value(value)}" for key, value in self.options.items())
        return AT.join(
            [f"{self.name}[{options}]" if options else self.name, *map(str, self.modifiers)]
        )


def parse_chains(text: str) -> list[list[Name]]:
    """Parse ``"erm,boda[weight=1]@ema+crt"`` into chains of names, sweeps expanded.

    Raises:
        UsageError: the text does not follow the grammar, or stands for too many chains.
    """
    split = functools.partial(_split, deepest=_DEEPEST + 1)  # those of names and of their values
    chains = [
        [_parse_part(part, split) for part in split(chain, "+")] for chain in split(text, ",")
    ]
    check_count(sum(math.prod(map(_combinations, chain)) for chain in chains), text)
    return [
        list(combination)
        for chain in chains
        for combination in itertools.product(*map(_expand, chain))
    ]


def _parse_part(text: str, split: Callable[[str, str], list[str]]) -> Name:
    """Parse an algorithm or stage with its modifiers; list values stay lists."""
    name, *modifiers = (parse_name(part) for part in split(text, AT))
    return replace(name, modifiers=tuple(modifiers))


def parse_names(text: str) -> list[Name]:
    """Parse a comma list of single names (data sets, say), sweeps expanded.

    Raises:
        UsageError: the text does not follow the grammar, joins names with ``+``, or stands for too
            many names.
    """
    names = [parse_name(part) for part in split_list(text)]
    check_count(sum(map(_combinations, names)), text)
    return [expanded for name in names for expanded in _expand(name)]


def expand(name: Name) -> list[Name]:
    """Return the names that lists among a name's options stand for.

    Raises:
        UsageError: a list is empty, or they are too many.
    """
    check_count(_combinations(name), str(name))
    return list(_expand(name))


def split_list(text: str, separator: str = ",") -> list[str]:
    """Return what commas, or other signs, part outside of brackets and quotes.

    Raises:
        UsageError: a part is empty, or a bracket or quote is not closed.
    """
    return _split(text, separator, _DEEPEST + 1)


def check_count(count: int, what: str) -> None:
    """Check how many names something stands for, before they are written out.

    Raises:
        UsageError: they are more than :data:`MOST_NAMES`.
    """
    if count > MOST_NAMES:
        number = f"{count:,}" if count < 10**12 else "far too many"
        raise UsageError(
            f"'{visible(what)}' stands for {number} combinations: ask for {MOST_NAMES:,} at most"
        )


def parse_name(text: str) -> Name:
    """Parse one ``name[key=value,…]``; list values stay lists.

    Raises:
        UsageError: the text does not follow the grammar.
    """
    text = text.strip()
    shown = f"'{visible(text)}'"
    head, bracket, rest = text.partition(_OPEN)
    if not _WORD.fullmatch(head):
        raise UsageError(f"{shown} is not a name: write name or name[key=value,…]")
    if not bracket:
        return Name(head)
    if not rest.endswith(_CLOSE):
        raise UsageError(f"{shown} lacks its closing ']': write {head}[key=value,…]")
    options: dict[str, Any] = {}
    for pair in _split(rest[:-1], ","):
        key, equals, value = pair.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key.isidentifier():
            raise UsageError(
                f"'{visible(pair)}' in {shown} is not key=value: write {head}[key=value,…]"
            )
        if key in options:
            raise UsageError(f"'{key}' stands twice in {shown}")
        options[key] = parse_value(value)
    return Name(head, options)


def parse_value(text: str) -> Any:
    """Read a value: number, boolean, quoted or plain text, list, or a nested name (kept as text).

    Raises:
        UsageError: a quote or a bracket is not closed.
    """
    text = text.strip()
    if text.startswith(_OPEN):
        if not text.endswith(_CLOSE):
            raise UsageError(f"the list '{visible(text)}' lacks its closing ']'")
        return [parse_value(item) for item in _split(text[1:-1], ",")] if text[1:-1] else []
    if len(text) >= 2 and text[0] in QUOTES and text[-1] == text[0]:
        return _unquoted(text)
    if text in ("true", "false", "True", "False"):
        return text.lower() == "true"
    number = read_number(text) if _NUMBER.fullmatch(text) else None
    if number is None or format_value(number) == text:
        return text if number is None else number
    remembers = _TypedInt(number) if isinstance(number, int) else _TypedFloat(number)
    remembers.typed = text
    return remembers


class _TypedInt(int):
    """A whole number that is written in another way than it was typed."""

    typed: str


class _TypedFloat(float):
    """Another number that is written in another way than it was typed."""

    typed: str


def read_number(text: str) -> int | float | None:
    """Return the number that Python reads in a text, also in ``007`` and ``2024_05``.

    Returns:
        ``None`` of what is no number, or too large a one.
    """
    with contextlib.suppress(ValueError):
        whole = int(text)
        return whole if abs(whole) < _LARGEST else None
    with contextlib.suppress(ValueError):
        number = float(text)
        return number if math.isfinite(number) else None
    return None


def as_typed(value: Any) -> str:
    """Return a value as it was typed, where it is one that :func:`parse_value` read."""
    return value.typed if isinstance(value, _TypedInt | _TypedFloat) else format_value(value)


def format_value(value: Any) -> str:
    """Write a value so that :func:`parse_value` reads the same value back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(format_value, value))}]"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int) and abs(value) > _LARGEST:
        return hex(value)  # which no text stands for; Python prints no number of 5,000 digits
    if not isinstance(value, str):
        return str(value)
    return value if _is_plain(value) else _quoted(value)


def _quoted(text: str) -> str:
    quote = "'" if '"' in text and "'" not in text else '"'
    return f"{quote}{text.replace(quote, 2 * quote)}{quote}"


def _unquoted(text: str) -> str:
    quote, inside = text[0], text[1:-1]
    if quote in inside.replace(2 * quote, ""):
        raise UsageError(
            f"{visible(text)} is not clear: write a {quote} within these quotes twice, or use "
            "the other kind around it"
        )
    return inside.replace(2 * quote, quote)


def _is_plain(text: str) -> bool:
    """Return whether a text means itself without quotes."""
    try:
        return (
            parse_value(text) == text
            and len(_split(text, ",")) == 1
            and len(_split(text, "+")) == 1
        )
    except UsageError:
        return False


def _axes(name: Name) -> list[list[Any]]:
    """Return the values of each option: those of a list, or the one there is.

    Raises:
        UsageError: a list is empty.
    """
    for key, value in name.options.items():
        if value == []:
            raise UsageError(f"the list of '{key}' in '{visible(str(name))}' is empty")
    return [value if isinstance(value, list) else [value] for value in name.options.values()]


def _combinations(name: Name) -> int:
    return math.prod(map(len, _axes(name))) * math.prod(map(_combinations, name.modifiers))


def _expand(name: Name) -> Iterable[Name]:
    """Turn list values into one name per combination."""
    for values in itertools.product(*_axes(name)):
        options = dict(zip(name.options, values, strict=True))
        for modifiers in itertools.product(*map(_expand, name.modifiers)):
            yield Name(name.name, options, modifiers)


def _split(text: str, separator: str, deepest: int = _DEEPEST) -> list[str]:
    """Split at ``separator`` outside brackets and quotes; empty parts are errors."""
    shown = f"'{visible(text)}'"
    if len(text) > _LONGEST:
        raise UsageError(f"{shown} is longer than {_LONGEST:,} characters")
    parts, depth, quote, begin = [], 0, "", 0
    for place, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in QUOTES:
            quote = char
        elif char == _OPEN:
            depth += 1
        elif char == _CLOSE:
            depth -= 1
        elif char == separator and depth == 0:
            parts.append(text[begin:place])
            begin = place + 1
        if depth < 0:
            raise UsageError(f"{shown} has a ']' without its '['")
        if depth > deepest:
            raise UsageError(f"{shown} has more than {_DEEPEST} brackets within one another")
    if depth or quote:
        raise UsageError(f"{shown} has an unclosed {'quote' if quote else 'bracket'}")
    parts.append(text[begin:])
    if any(not part.strip() for part in parts):
        raise UsageError(f"{shown} has an empty part around '{separator}'")
    return [part.strip() for part in parts]
