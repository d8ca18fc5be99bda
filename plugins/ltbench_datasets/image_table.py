"""Reads which image belongs where from a CSV."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

from ltbench.api import DataError, read_file
from ltbench_datasets.folder_layout import ONE_DOMAIN, PARTS, Item, composed

COLUMNS = ("path", "label", "domain", "split")
_LONGEST_NAME = 255  # bytes, on every system that there is


def read_table(table: Path) -> list[Item]:
    """Return the images that a CSV ``path,label[,domain][,split]`` names, sorted by path.

    Raises:
        DataError: it is no CSV in UTF-8, a column is missing, unknown or there twice, a row has
            more or fewer cells, a cell is empty or has several lines, a part is unknown, an image
            stands twice, or a path leads out of the CSV's folder; the message names the line.
    """
    reader = csv.reader(io.StringIO(_text(table), newline=""), strict=True)
    rows: list[tuple[int, Item]] = []
    last = 0
    try:
        head = next(reader, [])
        if not {"path", "label"} <= set(head) <= set(COLUMNS) or len(set(head)) < len(head):
            raise DataError(
                f"{table} must begin with path,label[,domain][,split], not {','.join(head)[:80]}"
            )
        last = reader.line_num
        for cells in reader:
            first, last = last + 1, reader.line_num
            if cells:
                rows.append((first, _row(table, first, head, cells)))
    except csv.Error as error:
        raise DataError(
            f"{table}, line {last + 1} cannot be read as a CSV: {error}; put a name with quotes in "
            "quotes, and write each of its own twice"
        ) from error
    if not rows:
        raise DataError(f"{table} names no image below its first line")
    silent = next(((line, item.path) for line, item in rows if not item.part), None)
    if silent and any(item.part for _, item in rows):
        raise DataError(
            f"{table}, line {silent[0]}: some images name their part and '{silent[1]}' does not"
        )
    lines: dict[str, int] = {}
    for line, item in rows:
        if (before := lines.setdefault(item.path, line)) != line:
            raise DataError(f"{table}, line {line}: '{item.path}' stands on line {before} already")
    return sorted((item for _, item in rows), key=lambda item: item.path)


def _text(table: Path) -> str:
    """Return what a CSV holds, without the mark that some programs put before it."""
    try:
        return read_file(table).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(
            f"{table}, line {line} cannot be read as a CSV in UTF-8: save it in that encoding"
        ) from error
    except OSError as error:
        raise DataError(f"{table} cannot be read: {error.strerror or error}") from error


def _row(table: Path, line: int, head: list[str], cells: list[str]) -> Item:
    where = f"{table}, line {line}"
    if any("\n" in cell or "\r" in cell for cell in cells):
        raise DataError(f"{where}: a quote is not closed where its line ends")
    if len(cells) != len(head):
        raise DataError(
            f"{where} has {len(cells)} cells and the first line {len(head)}: put what holds a "
            "comma in quotes"
        )
    values = {name: cell.strip() for name, cell in zip(head, cells, strict=True)}
    if not values["path"] or not values["label"]:
        raise DataError(f"{where}: path and label must not be empty")
    if values.get("domain") == "":
        raise DataError(f"{where}: domain must not be empty: give every image one, or none")
    part = values.get("split", "").lower()
    if part and part not in PARTS:
        raise DataError(f"{where}: split is '{part}'; use train, val or test")
    path = _below(table, where, values["path"])
    label, domain = composed(values["label"]), composed(values.get("domain", ONE_DOMAIN))
    return Item(path, label, domain, PARTS.get(part, ""))


def _below(table: Path, where: str, typed: str) -> str:
    """Return a path relative to the CSV's folder, in which it must lie."""
    path, folder = Path(typed), Path(os.path.abspath(table.parent))
    if not typed.isprintable():
        raise DataError(f"{where}: the path {typed!a} holds characters that cannot be printed")
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts):
        raise DataError(f"{where}: '{typed[:50]}…' is longer than the name of any file")
    if path.is_absolute() and path.is_relative_to(folder):
        path = path.relative_to(folder)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{where}: '{path}' does not lie below the CSV's folder, {folder}")
    if "\\" in typed and not (folder / path).exists():
        raise DataError(f"{where}: '{typed}' is no file here: write its folders with /")
    return path.as_posix()
