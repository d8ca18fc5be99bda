"""Reads which image belongs where: from a tree of folders or from a CSV."""

from __future__ import annotations

import csv
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ltbench.api import DataError, check_names, is_image

PARTS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
# What cameras and telephones write as well, and nothing here can read.
OTHER_PHOTOS = frozenset(
    {
        *(".heic", ".heif", ".avif", ".jxl", ".jp2", ".psd", ".svg"),
        *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"),
    }
)
ONE_DOMAIN = "images"
Folder = tuple[tuple[str, ...], list[str]]
"""A folder as names below the root, and the names of its images."""
COLUMNS = ("path", "label", "domain", "split")


class Item(NamedTuple):
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
    """Return the images of ``root/[part/][domain/]class/*``, sorted by folder and name.

    The folders directly below ``root`` are parts where all of them are named so.

    Raises:
        DataError: images lie at different depths, so that classes and domains cannot be told.
    """
    folders = sorted(_folders(root))
    tops = {folder[0].lower() for folder, _ in folders if folder}
    skip = 1 if len(tops) > 1 and tops <= PARTS.keys() else 0
    depths = Counter[int]()
    for folder, names in folders:
        depths[len(folder) - skip] += len(names)
    if len(depths) > 1 or not depths.keys() <= {1, 2}:
        raise DataError(
            f"{root} is neither root/class/* nor root/domain/class/*: "
            f"{_other_layout(root, folders, depths.most_common(1)[0][0] + skip)}"
        )
    items = []
    for folder, names in folders:
        place, label = "/".join(folder), _composed(folder[-1])
        domain = _composed(folder[-2]) if len(folder) - skip == 2 else ONE_DOMAIN
        part = PARTS[folder[0].lower()] if skip else ""
        items += [Item(f"{place}/{name}", label, domain, part) for name in names]
    return items


def _other_layout(root: Path, folders: Sequence[Folder], usual: int) -> str:
    """Say how the images lie instead, most of them ``usual`` folders deep, and what to do."""
    here = next("/".join((*folder, names[0])) for folder, names in folders if len(folder) == usual)
    strays = [
        "/".join((*folder, name))
        for folder, names in folders
        for name in names
        if len(folder) != usual
    ]
    if strays:
        verb = "lies" if len(strays) == 1 else "lie"
        return (
            f"{len(strays)} of its images {verb} at another depth ('{strays[0]}') than the others "
            f"('{here}'); move them, or name the images in a CSV path,label"
        )
    if usual == 0:
        return (
            f"its images lie in no folder of a class ('{here}'); sort them into such folders, or "
            "name them in a CSV path,label"
        )
    shared = os.path.commonpath(["/".join(folder[:-1]) for folder, _ in folders])
    advice = f"try root={root / shared}" if shared else "give a folder further down as root"
    return f"its images lie deeper ('{here}'); {advice}"


def other_photos(root: Path) -> list[str]:
    """Return one sentence per kind of photograph below ``root`` that cannot be read."""
    found: dict[str, list[str]] = defaultdict(list)
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            suffix = os.path.splitext(name)[1].lower()
            if suffix in OTHER_PHOTOS and not name.startswith("."):
                found[suffix].append(os.path.join(folder, name))
    return [
        f"{len(paths)} files end in {suffix}, which cannot be read, and are passed over "
        f"({min(paths)}): convert them to JPEG or PNG"
        for suffix, paths in sorted(found.items())
    ]


def read_table(table: Path) -> list[Item]:
    """Return the images that a CSV ``path,label[,domain][,split]`` names, sorted by path.

    Raises:
        DataError: it is no CSV in UTF-8, a column is missing or unknown, a cell is empty, a part
            is unknown, an image stands twice, or a path leads out of the CSV's folder.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            found = reader.fieldnames or []
            if not {"path", "label"} <= set(found) <= set(COLUMNS):
                raise DataError(
                    f"{table} must begin with path,label[,domain][,split], not {','.join(found)}"
                )
            rows = [_row(table, reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        cause = getattr(error, "strerror", None) or error
        raise DataError(f"{table} cannot be read as a CSV in UTF-8: {cause}") from error
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
    label, domain = _composed(values["label"]), _composed(values["domain"] or ONE_DOMAIN)
    return Item(path.as_posix(), label, domain, PARTS.get(part, ""))


def _composed(name: str) -> str:
    """Return a name with its accents as one system writes them; others write them apart."""
    return unicodedata.normalize("NFC", name)


def _folders(root: Path) -> Iterator[Folder]:
    """Yield every folder that holds images, as names below ``root``, with its sorted images.

    What is hidden is passed over.
    """
    waiting: list[tuple[tuple[str, ...], tuple[os.stat_result, ...]]] = [((), ())]
    while waiting:
        folder, above = waiting.pop()
        names = []
        try:
            above = (*above, root.joinpath(*folder).stat())
            with os.scandir(root.joinpath(*folder)) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if not entry.is_dir():
                        names.append(entry.name)
                        continue
                    # A link to a folder above it would never end.
                    if not any(os.path.samestat(entry.stat(), other) for other in above):
                        waiting.append(((*folder, entry.name), above))
        except OSError as error:
            raise DataError(f"{error.filename or root} cannot be read: {error.strerror}") from error
        if images := sorted(filter(is_image, names)):
            check_names(root.joinpath(*folder), (*folder, *images))
            yield folder, images
