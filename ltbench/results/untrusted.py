"""What comes from run folders that may be broken, huge or hostile: JSON, names and numbers.

Apart from the arrays, as commands that need none of those shall not wait for numpy.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_LARGEST_JSON = 256 * 2**20
_LONGEST_NAME = 200


class UnreadableRun(ValueError):
    """A document of a run folder does not fit the format; the message says which and why."""


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file, or ``None`` where there is no such file.

    Raises:
        UnreadableRun: the file is not a JSON object, too large, or cannot be opened.
    """
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise UnreadableRun(f"{path.name} is larger than {_LARGEST_JSON // 2**20} MB")
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreadableRun(f"{path.name} cannot be opened: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, UnreadableRun):
            raise
        raise UnreadableRun(f"{path.name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise UnreadableRun(f"{path.name} does not hold a JSON object")
    return document


def read_log(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of ``log.jsonl`` that are JSON objects; a torn last line is passed over."""
    try:
        with (folder / "log.jsonl").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    entry = json.loads(line, parse_constant=lambda _: None)
                except (ValueError, RecursionError):
                    continue
                if isinstance(entry, dict):
                    yield entry
    except OSError:
        return


def clean(text: str) -> str:
    """Return ``text`` without control characters, at most 200 characters long."""
    if len(text) <= _LONGEST_NAME and text.isprintable():
        return text
    printable = "".join(c if c.isprintable() else " " for c in text[: _LONGEST_NAME + 1])
    return printable if len(printable) <= _LONGEST_NAME else printable[: _LONGEST_NAME - 1] + "…"


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
