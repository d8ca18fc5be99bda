"""``hf``: any image classification in the Hugging Face format."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.api import (
    IMAGE_SUFFIXES,
    DataError,
    Decode,
    HParams,
    Split,
    absent_files,
    decode_image,
    files_fingerprint,
    hparam,
    read_image,
    suggestion,
)
from ltbench_datasets.folder_layout import ONE_DOMAIN, Item, walk
from ltbench_datasets.hf_layout import METADATA, Shard, shards, split_name, split_of_row
from ltbench_datasets.hf_metadata import read_metadata
from ltbench_datasets.hf_tables import Columns, RowFile
from ltbench_datasets.list_files import check_once, stays_below
from ltbench_datasets.own_images import OwnImages, OwnParameters

USUAL = {"train": "train", "validation": "val", "test": "test"}
_SPLITS = {part: split for split, part in USUAL.items()}
_HUB = re.compile(r"[\w.-]+/[\w.-]+")
_WANTED = ("*.parquet", "*.arrow", "*.json", "*.jsonl", "*.csv")
# The hub tells small letters from capitals.
_IMAGES = tuple(
    "*." + "".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in suffix)
    for suffix in sorted(IMAGE_SUFFIXES)
)
_SEEN = ("root", "facts", "items", "_cached_at", "_remarks", "_shards", "_files", "_declared")


class Source(HParams):
    """Where the rows are and which columns hold what."""

    path: str = hparam("", place=True, help="folder, or ORGANISATION/NAME of the hub's local cache")
    config: str = hparam("", help="sub-set, where there are several")
    revision: str = hparam("", place=True, help="commit or branch of the hub")
    image: str = hparam("", help="column of the images, where it is not plain")
    label: str = hparam("", help="column of the classes, where it is not plain")
    domain: str = hparam("", help="column of the domains; without it there is one")
    train_split: str = hparam("", help="split that trains, where it is not called train")
    val_split: str = hparam("", help="split that validates, where it is not called validation")
    test_split: str = hparam("", help="split that tests, where it is not called test")


class HuggingFaceParameters(OwnParameters, Source):
    """Parameters of ``hf``."""


class HuggingFace(OwnImages):
    """A folder of Parquet files, of ``save_to_disk``, or of images with or without metadata.

    Splits called train, validation and test are parts; what is missing of them is held out of
    training by the quota rule, and without any all images are. Images without a label are left out.
    A name of the hub is what lies of it in the hub's local cache, into which ``ltbench data
    prepare`` downloads it. Code of a data set is never run. The formats are those of
    https://huggingface.co/docs/datasets.
    """

    HParams = HuggingFaceParameters

    @cached_property
    def root(self) -> Path:
        """The folder: as given, or the one of the hub's cache."""
        return self._cached_at or Path(self.hparams.path).expanduser()

    @property
    def place(self) -> str:
        """The folder or the name of the hub."""
        return str(self.hparams.path)

    def missing(self) -> str | None:
        """Say that no path is given, or nothing is there."""
        if not self.hparams.path:
            return "hf needs its folder: ltbench data prepare 'hf[path=/path/to/folder]'"
        if self.root.is_dir():
            return None
        if self._is_hub:
            return (
                f"'{self.place}' is neither a folder nor in the hub's cache on this machine: to "
                f"download it, type ltbench data prepare 'hf[path={self.place}]'"
            )
        return f"there is no folder {self.root.absolute()}: give the one that holds the data set"

    def prepare(self, report: Callable[[str], None]) -> None:
        """Download a data set of the hub into its cache; a folder is used where it lies.

        What is there may be a download that broke off, so the hub is asked in any case: it gives
        what is missing.
        """
        if self._is_hub:
            report(f"Downloading what is not here of {self.place} of the hub")
            self._snapshot(local=False)
            for name in (*_SEEN, "_labels", "_found"):
                self.__dict__.pop(name, None)

    @cached_property
    def items(self) -> list[Item]:
        """The images of two or more classes."""
        items = self._found
        labels = {item.label for item in items}
        if len(labels) < 2:
            held = f"a single class, '{labels.pop()}'" if labels else "no labelled image"
            raise DataError(f"{self.root} holds {held}: give a data set of two classes or more")
        return items

    def class_names(self) -> Sequence[str]:
        """Return the classes as the files declare them, else in the order of names or numbers."""
        if self._declared:
            return self._declared
        labels = {item.label for item in self.items}
        whole = all(label.isascii() and label.isdigit() for label in labels)
        return sorted(labels, key=(lambda label: (len(label), label)) if whole else None)

    def decoder(self, split: Split) -> Decode:
        """Return the function that reads image ``i`` from its row, or from its file."""
        names, channels = split.images.tolist(), self.facts.channels

        def decode(i: int) -> NDArray[np.uint8]:
            shard, _, row = names[i].rpartition("/")
            if shard not in self._files:
                return read_image(self.root / names[i], channels)
            file, columns = self._files[shard]
            value = file.image(int(row), columns.image)
            held = value if isinstance(value, dict) else {"bytes": value}
            content, path = held.get("bytes"), held.get("path")
            if isinstance(content, bytes):
                return decode_image(content, f"{self.root}/{names[i]}", channels)
            if isinstance(path, str) and stays_below(path):
                return read_image(self.root / Path(shard).parent / path, channels)
            raise DataError(f"the image {self.root}/{names[i]} has no bytes, and no file beside it")

        return decode

    def image_files(self, split: Split) -> list[str]:
        """Return the files of rows, or every image's file."""
        return [f"{self.root}/{name}" for name in self._names(split)]

    def fingerprint(self, split: Split) -> str:
        """Return text that changes with any file's size or time."""
        return files_fingerprint(self.root, self._names(split))

    def remarks(self, split: Split) -> list[str]:
        """Say which splits and images are left out, and which names may be meant otherwise."""
        _ = self.items
        return list(self._remarks)

    def verify(self, split: Split) -> list[str]:
        """List files that are not there."""
        return absent_files(self.root, self._names(split))

    @property
    def _is_hub(self) -> bool:
        path = str(self.hparams.path)
        return bool(_HUB.fullmatch(path)) and not Path(path).expanduser().exists()

    @cached_property
    def _cached_at(self) -> Path | None:
        return self._snapshot(local=True) if self._is_hub else None

    def _snapshot(self, *, local: bool) -> Path | None:
        """Return the folder of the hub's cache; ``None`` where nothing of it is here."""
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            return Path(
                snapshot_download(
                    self.place,
                    repo_type="dataset",
                    revision=self.hparams.revision or None,
                    allow_patterns=[*_WANTED, *_IMAGES],
                    local_files_only=local,
                )
            )
        except LocalEntryNotFoundError as error:
            if local:
                return None
            raise DataError(f"'{self.place}' cannot be downloaded: the hub does not answer") from (
                error
            )
        except Exception as error:  # of the network, or of the hub, in whatever words
            cause = " ".join(str(error).split())[:200]
            raise DataError(f"'{self.place}' of the hub cannot be had: {cause}") from error

    def _names(self, split: Split) -> list[str]:
        return sorted(self._files) if self._files else split.images.tolist()

    @cached_property
    def _remarks(self) -> list[str]:
        return []

    @cached_property
    def _shards(self) -> list[Shard]:
        found = shards(self.root, self.hparams.config)
        named = [shard for shard in found if shard.split]
        if named and len(named) < len(found):
            self._remarks.append(f"{len(found) - len(named)} files of no split are not used")
        return named or found

    @cached_property
    def _files(self) -> dict[str, tuple[RowFile, Columns]]:
        """The files of rows, by their path below the root, with their columns."""
        given = self.hparams
        asked = Columns(given.image, given.label, given.domain)
        files = {}
        for shard in self._shards:
            if shard.kind != METADATA and self._part(shard.split) is not None:
                file = RowFile(self.root / shard.path, shard.kind)
                files[shard.path] = file, file.columns(asked)
        return files

    @cached_property
    def _declared(self) -> tuple[str, ...]:
        """The classes that the files declare, which must be the same in all of them."""
        found = {names for _, _, names in self._labels.values()}
        if len(found) > 1:
            raise DataError(f"{self.root}: its files declare different classes")
        return found.pop() if found else ()

    @cached_property
    def _labels(self) -> dict[str, Any]:
        return {path: file.labels(columns) for path, (file, columns) in self._files.items()}

    @cached_property
    def _found(self) -> list[Item]:
        if not self._shards:
            return self._in_folders()
        parts = {shard.split: self._part(shard.split) for shard in self._shards}
        if set(parts.values()) == {None}:
            known = ", ".join(f"'{name}'" for name in parts)
            raise DataError(f"{self.root} has the splits {known}: say which trains, train_split=")
        left = Counter[str]()
        items, named = [], []
        for shard in self._shards:
            if parts[shard.split] is None:
                continue
            for path, label, domain in self._rows(shard):
                named.append(path)
                split = split_of_row(shard, path)
                part = parts.setdefault(split, self._part(split))
                if part is None:
                    continue
                if label is None or domain is None:
                    left[split] += 1
                    continue
                for name in (label, domain):
                    if not name.strip() or not name.isprintable():
                        raise DataError(f"{self.root}/{path}: {name[:80]!a} is no name of a class")
                items.append(Item(path, label, domain, part))
        check_once(named, f"the tables below {self.root}")
        self._check_splits(parts)
        what = f"no label{' or domain' if self.hparams.domain else ''}"
        self._remarks.extend(
            f"{count} images of the split '{name}' have {what} and are left out"
            for name, count in sorted(left.items())
        )
        return items

    def _in_folders(self) -> list[Item]:
        """Return the images of a tree of folders of classes, whose parts are the splits.

        Raises:
            DataError: a column is asked for, of which there is none, or a split that is not there.
        """
        given = self.hparams
        if column := next(
            (what for what in ("image", "label", "domain") if getattr(given, what)), ""
        ):
            raise DataError(
                f"{self.root} holds folders of classes and no table, so there is no column "
                f"'{getattr(given, column)}': leave out {column}="
            )
        tree = walk(self.root)
        self._remarks.extend(tree.remarks)
        found = {item.part: _SPLITS.get(item.part, "") for item in tree.items}
        parts = {split: self._part(split) for split in found.values()}
        self._check_splits(parts)
        used = ((item, parts[found[item.part]]) for item in tree.items)
        return [item._replace(part=part) for item, part in used if part is not None]

    def _check_splits(self, parts: Mapping[str, str | None]) -> None:
        """Remark on splits that are not used.

        Args:
            parts: what each split is used for.

        Raises:
            DataError: a split is asked for that is not there.
        """
        known = [name for name in parts if name]
        for option in ("train_split", "val_split", "test_split"):
            typed = getattr(self.hparams, option)
            if typed and split_name(typed) not in known:
                has = ", ".join(f"'{name}'" for name in known) or "none that has a name"
                near = suggestion(typed, known) if known else ""
                raise DataError(
                    f"{self.root} has no split '{typed}' for {option}={near}; its splits: {has}"
                )
        unused = [name for name, part in parts.items() if part is None]
        self._remarks.extend(f"the split '{name}' is not used" for name in unused)

    def _rows(self, shard: Shard) -> Iterator[tuple[str, str | None, str | None]]:
        """Yield the name, class and domain of every image of a file of rows."""
        given = self.hparams
        if shard.kind == METADATA:
            folder = Path(shard.path).parent.as_posix()
            prefix = "" if folder == "." else f"{folder}/"
            for name, label, domain in read_metadata(
                self.root / shard.path, given.label, given.domain
            ):
                yield prefix + name, label, domain if given.domain else ONE_DOMAIN
            return
        found = self._labels[shard.path]
        width = len(str(len(found.labels)))
        for row, label in enumerate(found.labels):
            domain = found.domains[row] if given.domain else ONE_DOMAIN
            yield f"{shard.path}/{row:0{width}d}", label, domain

    def _part(self, split: str) -> str | None:
        """Return what a split is used for; ``None`` where it is not."""
        given = self.hparams
        typed = {given.train_split: "train", given.val_split: "val", given.test_split: "test"}
        asked = {split_name(name): part for name, part in typed.items() if name}
        if split in asked:
            return asked[split]
        if not split:
            return ""
        part = USUAL.get(split)
        return None if part in asked.values() else part
