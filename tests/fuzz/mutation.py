"""Makes odd inputs of valid ones: bytes, words and documents are changed at random places."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

WORD = re.compile(r"\d+\.?\d*(?:e-?\d+)?|\"[^\"\n]*\"|[\w.-]+|\S")

ODD_WORDS = (
    *(
        "",
        " ",
        "\t",
        "\n",
        "\r\n",
        "\0",
        "\x1b[31m",
        "\x85",
        "\u2028",
        "\u202e",
        "\ufeff",
        "\u00a0",
    ),
    *(
        "é",
        "写真",
        "🧑\u200d🔬",
        "\U0001342f",
        '"',
        "'",
        '""',
        "\\",
        "\\x",
        "\\u0000",
        "`",
        "$(true)",
    ),
    *("[", "]", "{", "}", "[[", "]]", "[" * 40, "]" * 40, "[" * 5000, "{" * 5000, "(" * 5000),
    *(",", ",,", "=", "==", "+", "-", "#", "/", "../..", "/etc/passwd", "~", "*", "%j", "|", ";"),
    *(
        "0",
        "-1",
        "1e999",
        "-1e999",
        "nan",
        "inf",
        "-inf",
        "1_000",
        "٣",
        "0x" + "f" * 6000,
        "9" * 5000,
    ),
    *("9223372036854775807", "9223372036854775808", "18446744073709551616", "1e308", "5e-324"),
    *("true", "false", "null", "None", "NaN", "Infinity", "1979-05-27T07:32:00Z", "[1,2,3]"),
    *("a" * 3000, "a,b", "a=b", "a[b=c]", "a[b=[1,2]]", "low", "draws", "search", "1000000000"),
)
"""What readers of text stumble over."""

PLAIN_WORDS = ("0", "1", "2", "0.5", "1e-3", "-1", "true", "false", '"a"', '"erm"', "[1, 2]", "x")
"""What may well stand where it is put, so that readers get on to what comes after."""

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63 - 1, 2**63, -(2**63), 2**64, 10**30, 10**400),
    *(0.5, -0.0, 1e308, -1e308, 1e300, 5e-324, float("inf"), float("-inf"), float("nan")),
    *("", "x", "x" * 5000, "\0", "\x1b[2J", "\u202eabc", "\n", "0", "1", "nan", "../../x", "/"),
    *([], {}, [None], [[]], {"": None}, {"a": {"b": []}}, [1, "1", None, 1.5], ["a"] * 300),
    *("9" * 6000, "done", "2026-01-01", "erm", "seed-0"),
)
"""What readers of documents stumble over."""


PLAIN_VALUES = (0, 1, 2, 5, 0.5, 1e-3, True, "erm", "x", [1, 2], [0.5], ["a", "b"], {"low": 0})


def flip(data: bytes, rng: Random) -> bytes:
    """Flip a few bits."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(data: bytes, rng: Random) -> bytes:
    """Cut the end off, or a piece out."""
    begin = rng.randrange(len(data) + 1)
    end = len(data) if rng.random() < 0.5 else min(len(data), begin + rng.randrange(1, 64))
    return data[:begin] + data[end:]


def double(data: bytes, rng: Random) -> bytes:
    """Repeat a piece, once or many times."""
    begin = rng.randrange(len(data) + 1)
    piece = data[begin : begin + rng.randrange(1, 200)]
    return data[:begin] + piece * rng.choice((2, 2, 3, 300)) + data[begin:]


def overwrite(data: bytes, rng: Random) -> bytes:
    """Write extreme or random bytes over a place, as of lengths and offsets."""
    size = rng.choice((1, 2, 4, 8))
    value = rng.choice((b"\0" * 8, b"\xff" * 8, b"\xff" * 7 + b"\x7f", rng.randbytes(8)))[-size:]
    place = rng.randrange(len(data) + 1)
    return data[:place] + value + data[place + size :]


def splice(data: bytes, other: bytes, rng: Random) -> bytes:
    """Put a piece of another input in."""
    begin, place = rng.randrange(len(other) + 1), rng.randrange(len(data) + 1)
    return data[:place] + other[begin : begin + rng.randrange(1, 400)] + data[place:]


def mutate_bytes(seeds: Sequence[bytes], rng: Random) -> bytes:
    """Return one of several valid inputs with one to four changes."""
    data = rng.choice(seeds)
    for _ in range(rng.choice((1, 1, 2, 4))):
        kind = rng.randrange(8)
        if kind < 3:
            data = flip(data, rng)
        elif kind == 7:
            data = splice(data, rng.choice(seeds), rng)
        else:
            data = (cut, double, overwrite, overwrite)[kind - 3](data, rng)
    return data


def mutate_text(seeds: Sequence[str], rng: Random) -> str:
    """Return one of several valid texts, one to four of its words or lines others."""
    text = rng.choice(seeds)
    for _ in range(rng.choice((1, 1, 2, 4))):
        found = list(WORD.finditer(text))
        if not found:
            return text + rng.choice(ODD_WORDS)
        at = rng.choice(found)
        kind = rng.randrange(6)
        if kind == 0:  # another input's word
            others = WORD.findall(rng.choice(seeds)) or [""]
            text = text[: at.start()] + rng.choice(others) + text[at.end() :]
        elif kind == 1:
            text = text[: at.start()] + text[at.end() :]
        elif kind == 2:
            text = text[: at.start()] + rng.choice(ODD_WORDS) + text[at.start() :]
        elif kind == 3:
            lines = text.splitlines(keepends=True)
            first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[first] = rng.choice(("", lines[second], lines[first] * 2))
            text = "".join(lines)
        else:
            word = rng.choice(ODD_WORDS if rng.random() < 0.5 else PLAIN_WORDS)
            text = text[: at.start()] + word + text[at.end() :]
    return text


def deep(rng: Random, levels: int) -> Any:
    """Return lists and objects within one another."""
    value: Any = 1
    for _ in range(levels):
        value = [value] if rng.random() < 0.5 else {"a": value}
    return value


def mutate_document(document: Any, rng: Random) -> Any:
    """Return a document of JSON in which one to four values are others, gone or moved."""
    document = copy.deepcopy(document)
    for _ in range(rng.choice((1, 1, 2, 4))):
        place, key = _place(document, rng)
        if place is None:
            return rng.choice(ODD_VALUES)
        odd = deep(rng, rng.choice((3, 60, 90, 200))) if rng.random() < 0.05 else None
        if odd is None:
            odd = copy.deepcopy(rng.choice(ODD_VALUES if rng.random() < 0.7 else PLAIN_VALUES))
        kind = rng.randrange(8)
        if kind == 0:
            del place[key]
        elif kind == 1 and isinstance(place, dict):
            place[rng.choice(ODD_WORDS)] = place.pop(key)
        elif kind == 2:
            place[key] = [place[key]] * rng.choice((1, 3))
        elif kind == 3:
            place[key] = {str(place[key])[:50]: place[key]}
        elif kind == 4:
            other, other_key = _place(document, rng)
            place[key] = copy.deepcopy(other[other_key]) if other else odd
        else:
            place[key] = odd
    return document


def to_json(document: Any) -> bytes:
    """Return JSON, with what JSON does not know as other programs write it."""
    return json.dumps(document, allow_nan=True, ensure_ascii=False).encode(errors="replace")


def to_toml(document: Any) -> str:
    """Return TOML of a table, the tables in it in one line each."""
    if not isinstance(document, dict):
        return _toml_value(document)
    return "".join(f"{_quoted(key)} = {_toml_value(value)}\n" for key, value in document.items())


def _toml_value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value) if abs(value) < 2**100 else hex(abs(value))
        case float():
            return repr(value)
        case list():
            return f"[{', '.join(map(_toml_value, value))}]"
        case dict():
            pairs = (f"{_quoted(key)} = {_toml_value(item)}" for key, item in value.items())
            return f"{{{', '.join(pairs)}}}"
    return _quoted(str(value))


def _quoted(text: object) -> str:
    return json.dumps(str(text))


def mutate_toml(texts: Sequence[str], rng: Random) -> str:
    """Return one of several valid files with other words, or with other values."""
    if rng.random() < 0.4:
        return mutate_text(texts, rng)
    try:
        return to_toml(mutate_document(tomllib.loads(rng.choice(texts)), rng))
    except RecursionError:  # it became deeper than can be written here
        return "a = " + "[" * 900


def _place(document: Any, rng: Random) -> tuple[Any, Any]:
    """Return a container within a document and a key of it, both at random."""
    container, key = None, None
    value = document
    while isinstance(value, dict | list) and value:
        container = value
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        value = container[key]
        if rng.random() < 0.25:
            break
    return container, key


Maker = Callable[[Random], Any]
