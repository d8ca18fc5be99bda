"""Reading the JSON files of a run folder, which may be broken, huge or hostile.

Apart from the arrays, as commands that need none of those shall not wait for numpy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ltbench.results.record import UnreadableRun

_LARGEST_JSON = 256 * 2**20


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
