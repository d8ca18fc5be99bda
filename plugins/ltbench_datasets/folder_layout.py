"""Reads which image belongs where: from a tree of folders or from a CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ltbench.api import DataError
from ltbench.data.image_files import is_image

PARTS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
ONE_DOMAIN = "images"
COLUMNS = ("path", "label", "domain", "split")


@dataclass(frozen=True)
class Item:
    """An image with what its place says of it.

    Attributes:
        path: relative to the folder, with ``/``.
        label: class name.
        domain: domain name.
        part: ``train``, ``val``, ``test``, or empty where it is not said.
    """

    path: str
    label: str
    domain: str
    part: str


def walk(root: Path) -> list[Item]:
    """Return the images of ``root/[part/][domain/]class/*``, sorted by path.

    The folders directly below ``root`` are parts where all of them are named so.

    Raises:
        DataError: images lie at different depths, so that classes and domains cannot be told.
    """
    paths = sorted(path.relative_to(root) for path in _images(root))
    tops = {path.parts[0].lower() for path in paths if len(path.parts) > 1}
    skip = 1 if len(tops) > 1 and tops <= PARTS.keys() else 0
    depths = {len(path.parts) - skip: path for path in paths}
    if len(depths) > 1 or (depths and not depths.keys() <= {2, 3}):
        examples = " and ".join(f"'{path.as_posix()}'" for path in depths.values())
        raise DataError(
            f"{root} is neither root/class/* nor root/domain/class/*: it holds {examples}"
        )
    return [
        Item(
            path=path.as_posix(),
            label=path.parts[-2],
            domain=path.parts[-3] if len(path.parts) - skip == 3 else ONE_DOMAIN,
            part=PARTS[path.parts[0].lower()] if skip else "",
        )
        for path in paths
    ]


def read_table(table: Path) -> list[Item]:
    """Return the images that a CSV ``path,label[,domain][,split]`` names, sorted by path.

    Raises:
        DataError: a column is missing or unknown, a cell is empty, a part is unknown, an image
            stands twice, or a path leads out of the CSV's folder.
    """
    with table.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        found = reader.fieldnames or []
        if not {"path", "label"} <= set(found) <= set(COLUMNS):
            raise DataError(
                f"{table} must begin with path,label[,domain][,split], not {','.join(found)}"
            )
        rows = [_row(table, reader.line_num, row) for row in reader]
    items = {item.path: item for item in rows}
    if len(items) < len(rows):
        raise DataError(f"{table} names {len(rows) - len(items)} images twice")
    return [items[path] for path in sorted(items)]


def _row(table: Path, line: int, row: dict[str, str]) -> Item:
    values = {key: (row.get(key) or "").strip() for key in COLUMNS}
    part = values["split"].lower()
    path = Path(values["path"])
    if not values["path"] or not values["label"]:
        raise DataError(f"{table}, line {line}: path and label must not be empty")
    if part and part not in PARTS:
        raise DataError(f"{table}, line {line}: split is '{part}'; use train, val or test")
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{table}, line {line}: '{path}' does not lie below the CSV's folder")
    return Item(
        path.as_posix(), values["label"], values["domain"] or ONE_DOMAIN, PARTS.get(part, "")
    )


def _images(folder: Path) -> Iterator[Path]:
    """Yield the image files below ``folder``, passing over hidden files and folders."""
    for child in folder.iterdir():
        if child.name.startswith("."):
            continue
        if child.is_dir():
            yield from _images(child)
        elif is_image(child):
            yield child
