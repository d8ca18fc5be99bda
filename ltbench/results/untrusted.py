"""What comes from run folders that may be broken, huge or hostile: JSON, names and numbers.

Apart from the arrays, as commands that need none of those shall not wait for numpy.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ltbench.regular_files import open_file, read_file
from ltbench.results.earlier import is_earlier, present_names, present_result

_LARGEST_JSON = 256 * 2**20
_LONGEST_LINE = 2**20
_DEEPEST = 64
_LONGEST_NAME = 200
LONGEST_WORD = 20_000
"""Characters of what is typed again, a method or the value of a setting."""
_AS_LISTS = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))  # than brackets


class UnreadableRun(ValueError):
    """A document of a run folder does not fit the format; the message says which and why."""


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file, or ``None`` where there is no such file.

    Raises:
        UnreadableRun: the file is not a JSON object, too large or too deep, or cannot be opened.
    """
    try:
        content = read_file(path, _LARGEST_JSON)
        document = json.loads(content.decode(), parse_constant=lambda _: None)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreadableRun(f"{path.name} cannot be opened: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UnreadableRun(f"{path.name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise UnreadableRun(f"{path.name} does not hold a JSON object")
    if _may_be_deep(content) and _depth(document) > _DEEPEST:
        raise UnreadableRun(f"{path.name} holds more than {_DEEPEST} levels of lists and objects")
    return document


def read_result(folder: Path) -> dict[str, Any] | None:
    """Return a run's ``result.json`` in the terms of this version, ``None`` where there is none.

    Raises:
        UnreadableRun: it does not hold a JSON object.
    """
    result = read_json(folder / "result.json")
    if result is None or not is_earlier(result.get("test")):
        return result
    spec = None
    with contextlib.suppress(UnreadableRun):
        spec = read_json(folder / "spec.json")
    return present_result(spec or {}, result)


def _may_be_deep(content: bytes) -> bool:
    """Return whether a text of JSON could be too deep, brackets within its strings counted."""
    brackets = content.translate(_AS_LISTS, _OTHERS)
    for _ in range(_DEEPEST):  # takes the innermost level away
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _depth(value: object) -> int:
    """Return how many levels of lists and objects there are, up to one more than are allowed."""
    level, depth = [value], 0
    while level and depth <= _DEEPEST:
        inside = [v.values() if isinstance(v, dict) else v for v in level
                  if isinstance(v, dict | list)]  # fmt: skip
        level, depth = [item for items in inside for item in items], depth + bool(inside)
    return depth


def read_log(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of ``log.jsonl`` that are JSON objects; a torn last line is passed over.

    Shot accuracies that an earlier version wrote have the names of what they are over, see
    ``docs/run-folder.md``.
    """
    try:
        with open_file(folder / "log.jsonl") as lines:
            left = _LARGEST_JSON
            while left > 0 and (line := lines.readline(_LONGEST_LINE)):
                left -= len(line)
                if (entry := parse_line(line)) is not None:
                    yield {**entry, "val": present_names(entry["val"])} if "val" in entry else entry
    except OSError:
        return


def parse_line(line: bytes) -> dict[str, Any] | None:
    """Return the object in a line of JSON, or ``None`` where it holds none, or one that is deep."""
    try:
        entry = json.loads(line.decode(errors="replace"), parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or (_may_be_deep(line) and _depth(entry) > _DEEPEST):
        return None
    return entry


def clean(text: str, longest: int = _LONGEST_NAME) -> str:
    """Return ``text`` without control characters, at most so many characters long."""
    if len(text) <= longest and text.isprintable():
        return text
    printable = "".join(c if c.isprintable() else " " for c in text[: longest + 1])
    return printable if len(printable) <= longest else printable[: longest - 1] + "…"


def numbers(values: object) -> dict[str, float]:
    """Return the finite numbers of a mapping, by cleaned name; everything else is missing."""
    if not isinstance(values, dict):
        return {}
    return {
        clean(name): float(value)
        for name, value in values.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < 1e300
        and math.isfinite(value)
    }


def mapping_in(document: Mapping[str, Any], key: str, file: str) -> Mapping[str, Any]:
    """Return the object under ``key``.

    Raises:
        UnreadableRun: there is none; the message names the file.
    """
    value = document.get(key)
    if not isinstance(value, dict):
        raise UnreadableRun(f"{file}: '{key}' is missing or not an object")
    return value


def name_in(document: Mapping[str, Any], key: str, file: str) -> str:
    """Return the text under ``key``, cleaned.

    Raises:
        UnreadableRun: there is none; the message names the file.
    """
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise UnreadableRun(f"{file}: '{key}' is missing or not a text")
    return clean(value)
