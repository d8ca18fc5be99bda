"""The one grammar for names: ``name[key=value,…]``, joined by ``+`` and listed with ``,``.

::

    names  = chain ("," chain)*
    chain  = name ("+" name)*
    name   = word ["[" key "=" value ("," key "=" value)* "]"]
    value  = number | true | false | "quoted" | [value, …] | name | plain text

A list as a value is a sweep: ``brl[alpha=[1e-3,1e-2]]`` stands for two names. A value with brackets
of its own is a name (``coral[loss=ldam[s=10]]``).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ltbench.errors import UsageError

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_OPEN, _CLOSE, _QUOTES = "[", "]", "\"'"


@dataclass(frozen=True)
class Name:
    """A registered name with options, as typed; ``str()`` gives the canonical spelling."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        if not self.options:
            return self.name
        options = ",".join(f"{key}={format_value(value)}" for key, value in self.options.items())
        return f"{self.name}[{options}]"


def parse_chains(text: str) -> list[list[Name]]:
    """Parse ``"erm,boda[weight=1]+crt"`` into chains of names, sweeps expanded.

    Raises:
        UsageError: the text does not follow the grammar.
    """
    chains: list[list[Name]] = []
    for chain in _split(text, ","):
        parts = [parse_name(part) for part in _split(chain, "+")]
        chains.extend(list(combo) for combo in itertools.product(*(map(_expand, parts))))
    return chains


def parse_names(text: str) -> list[Name]:
    """Parse a comma list of single names (data sets, say), sweeps expanded.

    Raises:
        UsageError: the text does not follow the grammar, or joins names with ``+``.
    """
    return [name for part in split_list(text) for name in _expand(parse_name(part))]


def split_list(text: str) -> list[str]:
    """Return what commas part outside of brackets and quotes.

    Raises:
        UsageError: a part is empty, or a bracket or quote is not closed.
    """
    return _split(text, ",")


def parse_name(text: str) -> Name:
    """Parse one ``name[key=value,…]``; list values stay lists.

    Raises:
        UsageError: the text does not follow the grammar.
    """
    text = text.strip()
    head, bracket, rest = text.partition(_OPEN)
    if not _WORD.fullmatch(head):
        raise UsageError(f"'{text}' is not a name: write name or name[key=value,…]")
    if not bracket:
        return Name(head)
    if not rest.endswith(_CLOSE):
        raise UsageError(f"'{text}' lacks its closing ']': write {head}[key=value,…]")
    options: dict[str, Any] = {}
    for pair in _split(rest[:-1], ","):
        key, equals, value = pair.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key.isidentifier():
            raise UsageError(f"'{pair}' in '{text}' is not key=value: write {head}[key=value,…]")
        if key in options:
            raise UsageError(f"'{key}' stands twice in '{text}'")
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
            raise UsageError(f"the list '{text}' lacks its closing ']'")
        return [parse_value(item) for item in _split(text[1:-1], ",")] if text[1:-1] else []
    if len(text) >= 2 and text[0] in _QUOTES and text[-1] == text[0]:
        return text[1:-1]
    if text in ("true", "false", "True", "False"):
        return text.lower() == "true"
    for number in (int, float):
        with contextlib.suppress(ValueError):
            value = number(text)
            return value if math.isfinite(value) else text
    return text


def format_value(value: Any) -> str:
    """Write a value so that :func:`parse_value` reads the same value back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(format_value, value))}]"
    if isinstance(value, float):
        return repr(value)
    text = str(value)
    if isinstance(value, str) and not _is_plain(text):
        return json.dumps(text, ensure_ascii=False)
    return text


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


def _expand(name: Name) -> Iterator[Name]:
    """Turn list values into one name per combination."""
    axes = [value if isinstance(value, list) else [value] for value in name.options.values()]
    for values in itertools.product(*axes):
        yield Name(name.name, dict(zip(name.options, values, strict=True)))


def _split(text: str, separator: str) -> list[str]:
    """Split at ``separator`` outside brackets and quotes; empty parts are errors."""
    parts, depth, quote, current = [], 0, "", ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in _QUOTES:
            quote = char
        elif char == _OPEN:
            depth += 1
        elif char == _CLOSE:
            depth -= 1
        if char == separator and depth == 0 and not quote:
            parts.append(current)
            current = ""
        else:
            current += char
        if depth < 0:
            raise UsageError(f"'{text}' has a ']' without its '['")
    if depth or quote:
        raise UsageError(f"'{text}' has an unclosed {'quote' if quote else 'bracket'}")
    parts.append(current)
    if any(not part.strip() for part in parts):
        raise UsageError(f"'{text}' has an empty part around '{separator}'")
    return [part.strip() for part in parts]
