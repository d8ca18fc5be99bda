"""Finds the files of a data set in the Hugging Face format, and which split each is of."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ltbench.api import DataError, read_file

PARQUET, ARROW, METADATA = "parquet", "arrow", "metadata"
METADATA_NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_KEYWORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "dev", "val"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_SHARD = re.compile(r"(?P<split>[\w.]+?)-\d{5}-of-\d{5}")
_NUMBERED = re.compile(r"(?P<split>.+?)-(?P<number>\d{5})-of-(?P<count>\d{5})\b.*")
_APART = re.compile(r"[-._ 0-9]+")
_LARGEST = 2**24  # bytes of a description


class Shard(NamedTuple):
    """A file of rows.

    Attributes:
        split: what the data set calls it; empty where nothing says.
        path: relative to the folder, with ``/``.
        kind: ``parquet``, ``arrow``, or ``metadata`` of images that are files.
    """

    split: str
    path: str
    kind: str


def shards(root: Path, config: str) -> list[Shard]:
    """Return the files of rows below a folder, sorted; none where the images lie in folders alone.

    Args:
        root: the folder.
        config: the name of the sub-set, a folder, where there are several.

    Raises:
        DataError: a description cannot be read or names a file outside, there are several
            sub-sets and none is chosen, or files of a split are missing that others count.
    """
    if (root / "dataset_dict.json").is_file():
        names = [str(name) for name in _described(root / "dataset_dict.json", "splits")]
        return [shard for name in names for shard in _saved(root, PurePosixPath(name))]
    if (root / "state.json").is_file():
        return _saved(root, PurePosixPath())
    found = sorted(_files(root))
    inside = [path for path in found if not config or config in path.parts[:-1]]
    if config and not inside:
        raise DataError(f"{root} holds no folder '{config}' with files of rows")
    tables = [path for path in inside if path.name in METADATA_NAMES]
    if tables:
        return [Shard(split_of(path), str(path), METADATA) for path in tables]
    rows = [path for path in inside if path.suffix in (".parquet", ".arrow")]
    bases = sorted({_base(path) for path in rows})
    if len(bases) > 1:
        known = ", ".join(base or "." for base in bases[:5])
        raise DataError(f"{root} holds {len(bases)} sub-sets: say which with config=, of {known}")
    _check_whole(root, rows)
    return [Shard(split_of(path), str(path), path.suffix[1:]) for path in rows]


def _check_whole(root: Path, rows: Iterable[PurePosixPath]) -> None:
    """Refuse a split of whose numbered files some are missing, as after a broken download."""
    numbers: dict[tuple[PurePosixPath, str, int], set[int]] = defaultdict(set)
    for path in rows:
        if found := _NUMBERED.fullmatch(path.name):
            of = path.parent, found["split"], int(found["count"])
            numbers[of].add(int(found["number"]))
    for (folder, split, count), there in numbers.items():
        if len(there) < count:
            first = next(number for number in range(count) if number not in there)
            raise DataError(
                f"{root / folder} holds {len(there)} of the {count} files of '{split}', and "
                f"{split}-{first:05d}-of-{count:05d} is not there: put the others there too, or "
                "where they are of the hub let 'ltbench data prepare' fetch them"
            )


def split_name(typed: str) -> str:
    """Return what a split is called here: ``validation`` for ``val`` and ``dev``, say."""
    return _KEYWORDS.get(typed.lower(), typed)


def _saved(root: Path, folder: PurePosixPath) -> list[Shard]:
    """Return the files of a data set that ``save_to_disk`` wrote."""
    if len(folder.parts) > 1 or ".." in folder.parts or folder.is_absolute():
        raise DataError(f"{root}/dataset_dict.json names the split {str(folder)[:80]!r}")
    state = root / folder / "state.json"
    files = _described(state, "_data_files")
    names = [str(one.get("filename")) if isinstance(one, dict) else "" for one in files]
    for name in names:
        if not name or PurePosixPath(name).name != name or not name.isprintable():
            raise DataError(f"{state} names the file {name[:80]!r}, which is none beside it")
    return [Shard(split_name(folder.name), str(folder / name), ARROW) for name in names]


def _described(path: Path, key: str) -> list[object]:
    """Return a list of a file of JSON."""
    try:
        value = json.loads(read_file(path, _LARGEST))[key]
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise DataError(f"{path} does not say its '{key}': {error}") from error
    if not isinstance(value, list) or len(value) > 100_000:
        raise DataError(f"{path}: '{key}' is no list of files")
    return value


def _files(root: Path) -> Iterator[PurePosixPath]:
    """Yield the files of rows below a folder, what is hidden passed over."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name[:1] != "." and name[:2] != "__")
        for name in names:
            rows = name in METADATA_NAMES or name.endswith((".parquet", ".arrow"))
            if rows and not name.startswith("."):
                yield PurePosixPath(Path(folder, name).relative_to(root).as_posix())


def split_of(path: PurePosixPath) -> str:
    """Return the split that a path names: as a shard, by a folder, or by a word of its name.

    A folder counts before a shard's name that is no usual one: ``test/moths-00000-of-00002.tar``.
    """
    shard = _SHARD.match(path.name)
    if shard and shard["split"].lower() in _KEYWORDS:
        return split_name(shard["split"])
    for folder in reversed(path.parts[:-1]):
        if folder.lower() in _KEYWORDS:
            return _KEYWORDS[folder.lower()]
    if shard:
        return split_name(shard["split"])
    words = _APART.split(path.stem.lower())
    return next((_KEYWORDS[word] for word in words if word in _KEYWORDS), "")


def split_of_row(shard: Shard, path: str) -> str:
    """Return the split of a row: its file's, or what the folders of its image name.

    Args:
        shard: the file.
        path: of the image, from the root.
    """
    if shard.split or shard.kind != METADATA:
        return shard.split
    return split_of(PurePosixPath(path).parent / "image")


def _base(path: PurePosixPath) -> str:
    """Return the folder of a file without those that name a split."""
    return "/".join(part for part in path.parts[:-1] if part.lower() not in _KEYWORDS)
