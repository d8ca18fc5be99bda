"""Reads which image belongs where from a tree of folders."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ltbench.api import DataError, check_names, is_image
from ltbench_datasets.passed_over import (
    is_system_folder,
    left_out,
    unread_photographs,
    without_images,
)

PARTS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
# Folders that may be meant as parts, by these names and by others.
PART_LIKE = re.compile(
    r"(train|training|trn|val|valid|validation|dev|devel|eval|evaluation|holdout"
    r"|((public|private)[\W_]*)?(test|testing|tst))([\W_]*(sets?|data|splits?|images?|imgs?|\d{4}))*"
    r"[\W_]*[ab]?"
)
ONE_DOMAIN = "images"
Folder = tuple[tuple[str, ...], list[str]]
"""A folder as names below the root, and the names of its files."""


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


@dataclass(frozen=True)
class Tree:
    """What a folder of images holds.

    Attributes:
        items: its images, sorted by folder and name.
        remarks: sentences on what is passed over, and on names that may be meant otherwise.
        unread: sentences, of these, on photographs that cannot be read.
    """

    items: list[Item]
    remarks: list[str]
    unread: list[str]


def walk(root: Path) -> Tree:
    """Return the images of ``root/[part/][domain/]class/*``.

    The folders directly below ``root`` are parts where all of them are named so. Where some are and
    others are not, nothing is guessed.

    Raises:
        DataError: images lie at different depths, a part is empty, or folders are named like parts
            where classes or domains should be, so that these cannot be told.
    """
    folders: list[Folder] = []
    others: list[Folder] = []
    for place, names in sorted(_folders(root)):
        images = [name for name in names if is_image(name)]
        if images:
            check_names(root.joinpath(*place), (*place, *images))
            folders.append((place, images))
        if len(images) < len(names) or not images:
            others.append((place, [name for name in names if not is_image(name)]))
    unread = unread_photographs("/".join((*place, n)) for place, names in others for n in names)
    remarks = [*left_out(others), *unread, *without_images(others, {f for f, _ in folders})]
    _check_empty_parts(root, {place[0] for place, _ in others if place}, folders)
    skip = 1 if _are_parts(root, folders, remarks) else 0
    depths = Counter[int]()
    for folder, names in folders:
        depths[len(folder) - skip] += len(names)
    if len(depths) > 1 or not depths.keys() <= {1, 2}:
        raise DataError(
            f"{root} is neither root/class/* nor root/domain/class/*: "
            f"{_other_layout(root, folders, depths.most_common(1)[0][0] + skip)}"
        )
    _check_twins(root, folders, skip, remarks)
    _check_labels(root, [folder for folder, _ in folders if len(folder) > 1], remarks)
    items = []
    for folder, names in folders:
        path, label = "/".join(folder), composed(folder[-1])
        domain = composed(folder[-2]) if len(folder) - skip == 2 else ONE_DOMAIN
        part = PARTS[folder[0].lower()] if skip else ""
        items += [Item(f"{path}/{name}", label, domain, part) for name in names]
    return Tree(items, remarks, unread)


def _check_empty_parts(root: Path, there: Iterable[str], folders: Sequence[Folder]) -> None:
    """Refuse a part without images beside a single one with some, which would become a domain."""
    full = {folder[0] for folder, _ in folders if folder}
    empty = sorted(top for top in there if top.lower() in PARTS and top not in full)
    if empty and len(full) == 1 and full.pop().lower() in PARTS:
        raise DataError(
            f"{root / empty[0]} holds no image that can be read: put the images of that part "
            "there, or remove it"
        )


def _are_parts(root: Path, folders: Sequence[Folder], remarks: list[str]) -> bool:
    """Return whether the folders below the root are parts, and remark on one that might be."""
    tops = sorted({folder[0] for folder, _ in folders if folder})
    known, alike = [top for top in tops if top.lower() in PARTS], _named_like_parts(tops)
    if len(known) == len(tops) and len({top.lower() for top in tops}) > 1:
        return True
    classes = all(len(folder) < 2 for folder, _ in folders)
    if len(alike) > 1 or (alike and len(tops) > 1 and not classes):
        others = [top for top in tops if top not in known]
        held = " beside ".join(_listed(names) for names in (known, others) if names)
        raise DataError(
            f"{root} holds {held}, and it cannot be told whether these are parts or "
            f"{'classes' if classes else 'domains'}: keep train, val and test there alone, rename "
            "what is no part, or name the images in a CSV path,label,domain,split"
        )
    if alike:
        kind = "class" if classes else "domain, as no other part lies beside it"
        remarks.append(f"{root / alike[0]} is read as a {kind}")
    return False


def _check_twins(root: Path, folders: Sequence[Folder], skip: int, remarks: list[str]) -> None:
    """Refuse parts of two spellings, and remark on classes and domains whose accents differ."""
    spelled: dict[tuple[int, str], set[str]] = defaultdict(set)
    for folder, _ in folders:
        for depth, name in enumerate(folder):
            meant = PARTS[name.lower()] if depth < skip else composed(name)
            spelled[depth, meant].add(name)
    for (depth, meant), names in spelled.items():
        if len(names) < 2:
            continue
        if depth < skip:
            raise DataError(
                f"{root} holds {_listed(sorted(names))}, which both mean the part '{meant}': put "
                "their images into one folder"
            )
        remarks.append(f"the folders '{meant}' of {len(names)} spellings of its accents are one")


def _check_labels(root: Path, folders: Sequence[tuple[str, ...]], remarks: list[str]) -> None:
    """Refuse parts below the folders of classes, and remark on a class that is called like one."""
    labels = sorted({folder[-1] for folder in folders})
    alike = _named_like_parts(labels)
    if len({label.lower() for label in alike}) > 1:
        example = next("/".join(folder) for folder in folders if folder[-1] in alike)
        raise DataError(
            f"{root} holds {_listed(alike)} where classes should be ('{example}'): let parts be "
            "folders directly below it, or name the images in a CSV path,label,domain,split"
        )
    remarks += [f"'{label}' is read as a class" for label in alike]


def _named_like_parts(names: Iterable[str]) -> list[str]:
    return [name for name in names if PART_LIKE.fullmatch(name.lower())]


def _listed(names: Sequence[str]) -> str:
    """Return ``a/, b/ and c/``, of many names the first."""
    shown = [f"{name}/" for name in names[:5]] + (["others"] if len(names) > 5 else [])
    return " and ".join([*([", ".join(shown[:-1])] if shown[:-1] else []), *shown[-1:]])


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


def composed(name: str) -> str:
    """Return a name with its accents as one system writes them; others write them apart."""
    return unicodedata.normalize("NFC", name)


def _folders(root: Path) -> Iterator[Folder]:
    """Yield every folder, as names below ``root``, with the sorted names of its files.

    What is hidden is passed over, and of folders that systems make nothing is listed.
    """
    waiting: list[tuple[tuple[str, ...], tuple[os.stat_result, ...]]] = [((), ())]
    while waiting:
        folder, above = waiting.pop()
        if is_system_folder(folder):
            yield folder, []
            continue
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
        yield folder, sorted(names)
