"""Lists ``path label``, a line for each image, as the papers on long tails publish them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ltbench.api import DataError, read_file

Labelled = list[tuple[str, int]]
"""Images by the path below the data set's folder, each with its class."""


def read_list(path: Path) -> Labelled:
    """Return the images of a list and their classes, in its order.

    Raises:
        DataError: it cannot be read, or a line is not ``path label``, the label a number and the
            path one that stays below its folder; the message names the line.
    """
    try:
        lines = read_file(path).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the list {path} cannot be read: {error}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        name, _, label = line.strip().rpartition(" ")
        if label.isascii() and label.isdigit() and len(label) < 10 and stays_below(name):
            rows.append((name, int(label)))
        elif line.strip():
            raise DataError(f"{path}, line {number}: '{line[:80]}' is not 'path label'")
    return rows


def stays_below(name: str) -> bool:
    """Return whether a path with ``/`` may name a file below a folder, and nothing beside it."""
    outside = name[:1] in ("", "/") or (".." in name and ".." in name.split("/"))
    return name.isprintable() and not outside


def check_classes(rows: Labelled, classes: int, what: str) -> None:
    """Check that a list names classes that there are.

    Args:
        rows: of the list.
        classes: how many there are.
        what: the list, for the message.

    Raises:
        DataError: it names another.
    """
    largest = max((label for _, label in rows), default=0)
    if largest >= classes:
        raise DataError(f"{what} names the class {largest} of {classes}")


def check_once(names: Iterable[str], what: str) -> None:
    """Check that no image stands twice.

    Raises:
        DataError: one does; the message names it.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError(f"{what}: the image '{name}' stands there twice")
        seen.add(name)
