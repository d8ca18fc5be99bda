"""Reads the tables ``metadata.csv`` and ``metadata.jsonl`` beside images that are files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ltbench.api import DataError, read_file
from ltbench_datasets.hf_tables import LABEL_NAMES, NO_LABEL, UNKNOWN, pyarrow
from ltbench_datasets.list_files import stays_below

FILE_NAMES = ("file_name", "image_file_name", "file_path")
Row = tuple[str, str | None, str | None]
"""An image's path below the table's folder, its label and its domain."""


def read_metadata(path: Path, label: str, domain: str) -> list[Row]:
    """Return the images that a table names.

    Args:
        path: of the table.
        label: the column of the classes; empty is the usual one.
        domain: the column of the domains; empty is none.

    Raises:
        DataError: it cannot be read, lacks a column, a row of a CSV has more or fewer cells than
            its first line, or a path does not stay below its folder; the message names the row.
    """
    rows = []
    for number, row in enumerate(_tables(path), start=1):
        where = f"{path}, row {number}"
        name = next((row[key] for key in FILE_NAMES if key in row), None)
        if not isinstance(name, str) or not stays_below(name):
            raise DataError(f"{where}: {str(name)[:80]!r} is no file_name of an image below it")
        if path.suffix == ".csv" and (None in row or None in row.values()):
            raise DataError(
                f"{where} has {'more' if None in row else 'fewer'} cells than the first line: put "
                "what holds a comma in quotes"
            )
        column = label or next((key for key in LABEL_NAMES if key in row), "")
        for what, wanted in (("label", column), ("domain", domain)):
            if (what == "label" or wanted) and wanted not in row:
                known = ", ".join(map(str, list(row)[:12]))
                raise DataError(f"{where} has no column for {what}=, but {known}")
        kind = _text(row[column])
        rows.append(
            (
                PurePosixPath(name).as_posix(),  # ./a.png is a.png
                NO_LABEL if kind == str(UNKNOWN) else kind,
                _text(row[domain]) if domain else None,
            )
        )
    return rows


def _text(value: Any) -> str | None:
    """Return a label as text without blanks around it; what has none is empty or null."""
    if value is None or isinstance(value, list | dict):
        return None
    return str(value).strip() or None


def _tables(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table by column."""
    if path.suffix == ".parquet":
        try:
            yield from pyarrow().parquet.read_table(path).to_pylist()
        except (pyarrow().lib.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read: {str(error)[:200]}") from error
        return
    try:
        text = read_file(path).decode("utf-8-sig")
        if path.suffix == ".csv":
            yield from csv.DictReader(io.StringIO(text, newline=""), strict=True)
            return
        for line in text.split("\n"):  # what else ends a line may stand in a text of JSON
            if line.strip():
                row = json.loads(line)
                yield row if isinstance(row, dict) else {}
    except (OSError, UnicodeDecodeError, csv.Error, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: {str(error)[:200]}") from error
