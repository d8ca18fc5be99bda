"""``webdataset``: images in tar archives, read where they lie."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ltbench.api import (
    DataError,
    Decode,
    HParams,
    Split,
    TarFile,
    decode_image,
    files_fingerprint,
    hparam,
    is_image,
    open_file,
    read_file,
    tar_files,
)
from ltbench_datasets.folder_layout import ONE_DOMAIN, Item
from ltbench_datasets.hf_layout import split_of
from ltbench_datasets.own_images import OwnImages, OwnParameters

CLASS, TABLE = "cls", "json"
NAMES = ("classnames.txt", "classes.txt")
LARGEST_LABEL, LARGEST_TABLE, LARGEST_IMAGE = 2**10, 2**20, 2**30  # bytes
_PARTS = {"train": "train", "validation": "val", "test": "test", "": ""}


class Shards(HParams):
    """Where the archives are, and what in them is the label."""

    path: str = hparam("", place=True, help="folder of the .tar archives, or one archive")
    label: str = hparam(CLASS, help="what holds the class: cls, or a field of a sample's .json")
    domain: str = hparam("", help="field of a sample's .json that is its domain")


class WebDatasetParameters(OwnParameters, Shards):
    """Parameters of ``webdataset``."""


class Sample(NamedTuple):
    """What an archive holds under one key."""

    image: TarFile | None
    label: str | None
    domain: str | None


class WebDataset(OwnImages):
    """Archives of samples ``KEY.jpg`` with ``KEY.cls``, or with ``KEY.json`` and a field of it.

    An archive's folder or name says which part its samples are: ``train-000000.tar``,
    ``validation/3.tar``. Where none does, they are split by the quota rule. A line c of
    ``classnames.txt``, where that is there, is the name of class c. Archives are read in place,
    nothing is unpacked, and nothing in them is run. The format is that of
    https://github.com/webdataset/webdataset.
    """

    HParams = WebDatasetParameters

    @cached_property
    def root(self) -> Path:
        """The folder of the archives."""
        given = Path(self.hparams.path).expanduser()
        return given.parent if given.is_file() else given

    @property
    def place(self) -> str:
        """The folder, or the archive."""
        return str(self.hparams.path)

    def missing(self) -> str | None:
        """Say that no path is given or no archive is there."""
        command = "ltbench data prepare 'webdataset[path=/path/to/archives]'"
        if not self.hparams.path:
            return f"webdataset needs the folder of its archives: {command}"
        if not self._archives:
            return f"there is no .tar archive in {Path(self.place).expanduser().absolute()}"
        return None

    @cached_property
    def items(self) -> list[Item]:
        """The images of two or more classes."""
        found = [item for item, _, _ in self._index]
        labels = {item.label for item in found}
        if len(labels) < 2:
            held = f"a single class, '{labels.pop()}'" if labels else "no labelled image"
            raise DataError(f"the archives in {self.root} hold {held}; say label=FIELD of .json")
        return found

    def class_names(self) -> Sequence[str]:
        """Return the classes in the order of ``classnames.txt``, of numbers, or of names."""
        if self._names:
            return self._names
        labels = {item.label for item in self.items}
        whole = all(label.isascii() and label.isdigit() for label in labels)
        return sorted(labels, key=(lambda label: (len(label), label)) if whole else None)

    def decoder(self, split: Split) -> Decode:
        """Return the function that reads image ``i`` where it lies in its archive."""
        names, channels = split.images.tolist(), self.facts.channels
        places = {item.path: (archive, file) for item, archive, file in self._index}

        def decode(i: int) -> NDArray[np.uint8]:
            archive, file = places[names[i]]
            content = _content(self.root / archive, file, LARGEST_IMAGE)
            return decode_image(content, f"{self.root}/{names[i]}", channels)

        return decode

    def image_files(self, split: Split) -> list[str]:
        """Return the archives."""
        return [f"{self.root}/{name}" for name in self._archives]

    def fingerprint(self, split: Split) -> str:
        """Return text that changes with any archive's size or time."""
        return files_fingerprint(self.root, self._archives)

    def remarks(self, split: Split) -> list[str]:
        """Say what of the archives is left out."""
        _ = self._index
        return [f"{count} {what}" for what, count in sorted(self._left.items())]

    @cached_property
    def _archives(self) -> list[str]:
        """The archives below the root, in order."""
        given = Path(self.hparams.path).expanduser()
        if given.is_file():
            return [given.name] if given.suffix == ".tar" else []
        found = [path.relative_to(given) for path in sorted(given.rglob("*.tar"))]
        return [path.as_posix() for path in found if not any(p[:1] == "." for p in path.parts)]

    @cached_property
    def _left(self) -> Counter[str]:
        """What is left out, by the words for it."""
        return Counter()

    @cached_property
    def _names(self) -> tuple[str, ...]:
        path = next((self.root / name for name in NAMES if (self.root / name).is_file()), None)
        if path is None or self.hparams.label != CLASS:
            return ()
        try:
            names = read_file(path, LARGEST_TABLE * 16).decode().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path} cannot be read: {error}") from error
        names = [name.strip() for name in names if name.strip()]
        if len(set(names)) < len(names) or not all(name.isprintable() for name in names):
            raise DataError(f"{path} must name every class once, a line for each")
        return tuple(names)

    @cached_property
    def _index(self) -> list[tuple[Item, str, TarFile]]:
        """Every image with its archive and its place there: the archives are gone through once."""
        index = []
        for archive in self._archives:
            part = _PARTS.get(split_of(PurePosixPath(archive)))
            if part is None:
                self._left["archives of other splits are not used"] += 1
                continue
            for key, sample in _samples(self.root / archive, self._ask):
                if sample.image is None:
                    self._left["samples without an image that is read are left out"] += 1
                elif sample.label is None or sample.domain is None:
                    self._left["samples without a label or domain are left out"] += 1
                else:
                    name = f"{archive}/{key}.{sample.image.name.rpartition('.')[2]}"
                    item = Item(name, self._class(sample.label, name), sample.domain, part)
                    index.append((item, archive, sample.image))
        return index

    @property
    def _ask(self) -> tuple[str, str]:
        return self.hparams.label, self.hparams.domain

    def _class(self, label: str, image: str) -> str:
        """Return the name of a class, which may be its number."""
        if not self._names:
            return label
        if not (label.isascii() and label.isdigit() and int(label) < len(self._names)):
            raise DataError(
                f"{self.root}/{image}: the class is '{label[:40]}', and {len(self._names)} are "
                "named"
            )
        return self._names[int(label)]


def _samples(archive: Path, asked: tuple[str, str]) -> Iterator[tuple[str, Sample]]:
    """Yield the key of every sample of an archive and what it holds.

    Files of one key stand together, as the format has it.

    Raises:
        DataError: the archive or a label cannot be read, or a key comes twice.
    """
    seen: set[str] = set()
    key, files = "", dict[str, TarFile]()
    for file in tar_files(archive):
        folder, _, name = file.name.rpartition("/")
        stem, _, suffix = name.partition(".")
        own = f"{folder}/{stem}" if folder else stem
        if not stem:  # hidden, as __MACOSX and the like leave them
            continue
        if not file.name.isprintable():
            raise DataError(f"{archive}: the name {file.name[:80]!a} cannot be printed")
        if own != key and files:
            yield key, _sample(archive, files, asked)
            files = {}
        if own != key:
            if own in seen:
                raise DataError(f"{archive}: the sample '{own}' comes twice")
            seen.add(own)
            key = own
        files[suffix.lower()] = file
    if files:
        yield key, _sample(archive, files, asked)


def _sample(archive: Path, files: dict[str, TarFile], asked: tuple[str, str]) -> Sample:
    label, domain = asked
    images = [file for suffix, file in sorted(files.items()) if is_image(f"x.{suffix}")]
    table: dict[str, Any] = {}
    if TABLE in files and (domain or label != CLASS):
        table = _table(archive, files[TABLE])
    if label != CLASS:
        found = _text(table.get(label))
    elif CLASS in files:
        content = _content(archive, files[CLASS], LARGEST_LABEL)
        found = _text(content.decode("utf-8", "replace").strip())
    else:
        found = None
    own = _text(table.get(domain)) if domain else ONE_DOMAIN
    return Sample(images[0] if images else None, found, own)


def _table(archive: Path, file: TarFile) -> dict[str, Any]:
    try:
        found = json.loads(_content(archive, file, LARGEST_TABLE))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{archive}: '{file.name}' is no JSON: {str(error)[:200]}") from error
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str | None:
    """Return a label as text; what is none or cannot be printed is ``None``."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    return text if text and text.isprintable() else None


def _content(archive: Path, file: TarFile, most: int) -> bytes:
    """Return a file of an archive.

    Raises:
        DataError: it is larger than it may be, or the archive cannot be read.
    """
    if file.size > most:
        raise DataError(f"{archive}: '{file.name}' has {file.size:,} bytes, more than {most:,}")
    try:
        with open_file(archive) as opened:
            opened.seek(file.offset)
            return opened.read(file.size)
    except OSError as error:
        raise DataError(f"{archive} cannot be read: {error.strerror or error}") from error
