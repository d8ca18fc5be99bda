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
        DataError: it is no CSV in UTF-8, a column is missing, unknown or there twice, a row has
            more or fewer cells, a cell is empty or has several lines, a part is unknown, an image
            stands twice, or a path leads out of the CSV's folder; the message names the line.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            head = next(reader, [])
            if not {"path", "label"} <= set(head) <= set(COLUMNS) or len(set(head)) < len(head):
                raise DataError(
                    f"{table} must begin with path,label[,domain][,split], not {','.join(head)}"
                )
            rows: list[tuple[int, Item]] = []
            last = reader.line_num
            for cells in reader:
                first, last = last + 1, reader.line_num
                if cells:
                    rows.append((first, _row(table, first, head, cells)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        cause = getattr(error, "strerror", None) or error
        raise DataError(f"{table} cannot be read as a CSV in UTF-8: {cause}") from error
    if not rows:
        raise DataError(f"{table} names no image below its first line")
    lines: dict[str, int] = {}
    for line, item in rows:
        if (before := lines.setdefault(item.path, line)) != line:
            raise DataError(f"{table}, line {line}: '{item.path}' stands on line {before} already")
    return sorted((item for _, item in rows), key=lambda item: item.path)


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
    label, domain = _composed(values["label"]), _composed(values.get("domain", ONE_DOMAIN))
    return Item(path, label, domain, PARTS.get(part, ""))


def _below(table: Path, where: str, typed: str) -> str:
    """Return a path relative to the CSV's folder, in which it must lie."""
    path, folder = Path(typed), Path(os.path.abspath(table.parent))
    if path.is_absolute() and path.is_relative_to(folder):
        path = path.relative_to(folder)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{where}: '{path}' does not lie below the CSV's folder, {folder}")
    if "\\" in typed and not (folder / path).exists():
        raise DataError(f"{where}: '{typed}' is no file here: write its folders with /")
    return path.as_posix()


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
