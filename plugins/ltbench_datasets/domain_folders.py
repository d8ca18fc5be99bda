"""The multi-domain data sets that come as ``domain/class/image`` folders."""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.api import (
    DataError,
    Dataset,
    Decode,
    Facts,
    FolderImages,
    HParams,
    Split,
    SplitOrigin,
    UsageError,
    absent_files,
    fetch_sources,
    files_fingerprint,
    folder_images,
    hparam,
    pair_generator,
    quota_parts,
    read_file,
    read_image,
    stamps_fingerprint,
    where_to_put,
    wrong_files,
)
from ltbench_datasets.official_split import find_official, read_official
from ltbench_datasets.passed_over import unread_photographs

NAMED = 20  # images that a difference names


class DomainFoldersParameters(HParams):
    """Parameters of the data sets with domain folders."""

    data_seed: int = hparam(0, low=0, help="chooses the split where there is no official file")


class DomainFolders(Dataset):
    """Images as ``<root>/<domain>/<class>/*`` with the domains and classes of the facts.

    The root is the first of the facts' ``layout.folders`` below the folder of the data sets that
    holds a domain, so the trees of DomainBed and of the MDLT benchmark are used as they are. Case,
    blanks and underscores in folder names do not matter. The official split file is used where it
    lies in the root, beside it, or in ``split/`` beside it; else the quota rule of
    :func:`ltbench.api.hold_out` makes the split.
    """

    HParams = DomainFoldersParameters

    @cached_property
    def facts(self) -> Facts:
        """The registry's facts."""
        return super().facts

    @cached_property
    def root(self) -> Path:
        """The folder that holds the domains, or the one that would."""
        names = self.facts.details["layout"]["folders"]
        candidates = [self.data_dir / name for name in names]
        for folder in [*candidates, self.data_dir]:
            if _subfolders(folder).keys() & {_plain(d) for d in self.facts.domains}:
                return folder
        return candidates[0]

    @cached_property
    def official(self) -> Path | None:
        """The official split file, where it is there."""
        name = self.facts.details["layout"].get("official")
        return find_official(self.root, name) if name else None

    def missing(self) -> str | None:
        """Say that the folder, or a domain's folder in it, is not there."""
        there = _subfolders(self.root)
        absent = [d for d in self.facts.domains if _plain(d) not in there]
        if not absent:
            return None
        if len(absent) == len(self.facts.domains):
            place = self.root / self.facts.domains[0] / self.facts.classes[0]
            return where_to_put(self.facts, place, self.name) + " and so on"
        return (
            f"{self.root} lacks the folder of domain '{absent[0]}': type "
            f"'ltbench data prepare {self.name}', or put it there by hand"
        )

    def prepare(self, report: Callable[[str], None]) -> None:
        """Download the archives, the split file and the list of duplicates; arrange the images."""
        layout = self.facts.details["layout"]
        lists = [layout[key] for key in ("official", "leave_out") if key in layout]
        if self.missing() is not None:
            images = [s for s in self.facts.sources if s["file"] not in lists]
            fetch_sources(images, self.data_dir, report)
            self._look_again()
            self.arrange(report)
            self._look_again()
        if self.missing() is None:
            for file in lists:
                self._fetch_list(file, report)
            self._look_again()

    def split_origin(self, split: Split) -> SplitOrigin:
        """Say whether the split is the official one; if not, why, and what would make it so."""
        return self._origin

    @cached_property
    def _origin(self) -> SplitOrigin:
        layout = self.facts.details["layout"]
        if self.official is None:
            absent = [
                f"{layout[key]} is not there: {self._how_to_get(layout[key])}"
                for key in ("official", "leave_out")
                if key in layout and find_official(self.root, layout[key]) is None
            ]
            return SplitOrigin("split by rule", "not the official one, as " + "; and ".join(absent))
        entries = [
            (self.official, s) for s in self.facts.sources if s["file"] == layout["official"]
        ]
        try:
            wrong = wrong_files(entries)
        except DataError as error:  # of the record that holds the checksum
            wrong = [str(error)]
        if wrong:
            return SplitOrigin(f"split of another {self.official.name}", wrong[0])
        return SplitOrigin("official split", str(self.official))

    def arrange(self, report: Callable[[str], None]) -> None:
        """Bring what the archives hold into domain and class folders; most hold them so."""

    def split(self) -> Split:
        """Return the official table where its file is there, else one by the rule."""
        return read_official(self.official, self.facts) if self.official else self._by_rule

    def decoder(self, split: Split) -> Decode:
        """Return the function that reads image ``i`` from its file."""
        files, channels = self._files(split), self.facts.channels

        def decode(i: int) -> NDArray[np.uint8]:
            return read_image(self.root / files[i], channels)

        return decode

    def image_files(self, split: Split) -> list[str]:
        """Return every image's file."""
        return [f"{self.root}/{name}" for name in self._files(split)]

    def fingerprint(self, split: Split) -> str:
        """Return text that changes with any file's size or time."""
        if split is not self.__dict__.get("_by_rule"):
            return files_fingerprint(self.root, self._files(split))
        # The listing that made the split has seen every file already.
        stamps = (found.stamps.tolist() for found in self._images.values())
        rows = zip(self._files(split), itertools.chain.from_iterable(stamps), strict=True)
        return stamps_fingerprint((name, size, time) for name, (size, time) in rows)

    def verify(self, split: Split) -> list[str]:
        """Compare counts, what is known of the files that came, and the tree with the table."""
        return [*super().verify(split), *wrong_files(self._came()), *self._strays(split)]

    def remarks(self, split: Split) -> list[str]:
        """Count the photographs of kinds that nothing here reads."""
        found = []
        for domain, label in itertools.product(self.facts.domains, self.facts.classes):
            if folder := self._class_folders.get(_plain(domain), {}).get(_plain(label)):
                names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
                found += [f"{domain}/{label}/{name}" for name in names]
        return unread_photographs(found)

    @cached_property
    def _by_rule(self) -> Split:
        """The table that the quota rule makes, sorted by image."""
        rule, seed = self.facts.details["split"], self.hparams.data_seed
        images, columns = list[str](), [np.zeros((3, 0), np.int64)]
        for (domain, label), found in self._images.items():
            images += [f"{domain}/{label}/{name}" for name in found.names]
            generator, count = pair_generator(seed, domain, label), len(found.names)
            parts = quota_parts(count, rule["val"], rule["test"], generator)
            place = self.facts.classes.index(label), self.facts.domains.index(domain)
            columns.append(np.vstack([np.tile(np.array([place]).T, count), parts]))
        if not images:
            raise DataError(f"{self.root} holds no image of the classes of {self.name}")
        shape = (len(self.facts.domains), len(self.facts.classes))
        y, d, part = np.hstack(columns)
        return Split(np.array(images), y, d, part, shape)

    @cached_property
    def _images(self) -> dict[tuple[str, str], FolderImages]:
        """The images of every domain and class that is there, sorted by their official names."""
        found: dict[tuple[str, str], FolderImages] = {}
        pairs = itertools.product(self.facts.domains, self.facts.classes)
        for domain, label in sorted(pairs, key=lambda pair: f"{pair[0]}/{pair[1]}/"):
            folder = self._class_folders.get(_plain(domain), {}).get(_plain(label))
            if folder:
                found[domain, label] = _without(
                    folder_images(folder), self._left_out.get((domain, label), set())
                )
        return found

    @cached_property
    def _class_folders(self) -> dict[str, dict[str, Path]]:
        _check_twins(self.root, self.facts.domains)
        domains = _subfolders(self.root)
        for domain in self.facts.domains:
            if folder := domains.get(_plain(domain)):
                _check_twins(folder, self.facts.classes)
        return {domain: _subfolders(folder) for domain, folder in domains.items()}

    @cached_property
    def _left_out(self) -> dict[tuple[str, str], set[str]]:
        """The images of the published list that the benchmark leaves out, where it is there."""
        name = self.facts.details["layout"].get("leave_out")
        path = find_official(self.root, name) if name else None
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        for line in _lines(path) if path else ():
            *pair, image = line.strip().split("/")
            if len(pair) == 2:
                found[pair[0], pair[1]].add(image)
        return found

    def _files(self, split: Split) -> list[str]:
        """Return the paths below the root, with the folders spelled as they are there."""
        spelled = {}
        for domain in self.facts.domains:
            classes = self._class_folders.get(_plain(domain), {})
            for label in self.facts.classes:
                folder = classes.get(_plain(label), self.root / domain / label)
                spelled[f"{domain}/{label}"] = folder.relative_to(self.root).as_posix()
        names = (image.rpartition("/") for image in split.images.tolist())
        return [f"{spelled[pair]}/{file}" for pair, _, file in names]

    def _fetch_list(self, file: str, report: Callable[[str], None]) -> None:
        """Fetch a list that decides on the split; the data set can be used without it."""
        entries = [s for s in self.facts.sources if s["file"] == file]
        if (found := find_official(self.root, file)) is not None:
            report(f"{file} is there: {found}")
            return
        try:
            if not entries:
                raise DataError(f"{file} cannot be downloaded: {self._how_to_get(file)}")
            fetch_sources(entries, self.root, report)
        except UsageError as error:
            report(f"{error}; until then the split is made without it")

    def _how_to_get(self, file: str) -> str:
        """Say where a list comes from and where it goes."""
        urls = [url for s in self.facts.sources if s["file"] == file for url in s.get("urls", ())]
        place = self.root / file
        if not urls:
            return f"no address is known, so put it at {place} by hand"
        command = f"ltbench data prepare {self.name}"
        return f"type '{command}', or get it at {urls[0]} and put it at {place}"

    def _look_again(self) -> None:
        """Forget what has been seen of the folders."""
        for name in ("root", "official", "_origin", "_by_rule", "_images", "_class_folders"):
            self.__dict__.pop(name, None)
        self.__dict__.pop("_left_out", None)

    def _came(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Yield the files that are kept as they came: lists, and archives that still lie there."""
        for source in self.facts.sources:
            place = self.data_dir / source.get("folder", "") / source["file"]
            found = find_official(self.root, source["file"])
            if path := found or (place if place.is_file() else None):
                yield path, source

    def _strays(self, split: Split) -> list[str]:
        """Return sentences on images that only the table or only the tree has, or that are none."""
        files = dict(zip(split.images.tolist(), self._files(split), strict=True))
        try:
            found = self._images.items()
        except DataError as error:  # of a link to nothing, which is not the only one perhaps
            return absent_files(self.root, files.values()) or [str(error)]
        there = {f"{d}/{c}/{name}" for (d, c), images in found for name in images.names}
        listed = files.keys()
        lines = [_summary("is not there", listed - there), _summary("is extra", there - listed)]
        lines += absent_files(self.root, (files[name] for name in files if name in there))
        known = {_plain(name) for name in self.facts.classes}
        for domain, classes in self._class_folders.items():
            if domain in {_plain(d) for d in self.facts.domains}:
                lines += [
                    f"{folder} is none of the classes and is passed over"
                    for name, folder in sorted(classes.items())
                    if name not in known
                ]
        return [line for line in lines if line]


def _lines(path: Path) -> list[str]:
    try:
        return read_file(path).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"the list {path} cannot be read ({error}): remove it, then prepare the data set again"
        ) from error


def _without(images: FolderImages, names: set[str]) -> FolderImages:
    """Return the images of a folder except those of some names."""
    if not names:
        return images
    keep = [i for i, name in enumerate(images.names) if name not in names]
    return FolderImages([images.names[i] for i in keep], images.stamps[keep])


def _summary(what: str, names: set[str]) -> str:
    """Say how many images of each domain something holds for, and name the first ones."""
    if not names:
        return ""
    domains = Counter(name.partition("/")[0] for name in names)
    counted = ", ".join(f"{domain} {count}" for domain, count in sorted(domains.items()))
    first, *others = sorted(names)[:NAMED]
    more = [", ".join(f"'{name}'" for name in others)] if others else []
    more += [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    then = f", then {' and '.join(more)}" if more else ""
    return f"{len(names)} images ({counted}): the first that {what} is '{first}'{then}"


def _subfolders(folder: Path) -> dict[str, Path]:
    """Return the folders in ``folder`` that are not hidden, by plain name."""
    return {_plain(path.name): path for path in _folders(folder)}


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _check_twins(folder: Path, names: Iterable[str]) -> None:
    """Refuse two folders that mean the same domain or class.

    Raises:
        DataError: there are two; the message names both.
    """
    meant, found = {_plain(name): name for name in names}, dict[str, Path]()
    for path in _folders(folder):
        plain = _plain(path.name)
        if plain in meant and found.setdefault(plain, path) != path:
            raise DataError(
                f"{found[plain]} and {path} both mean '{meant[plain]}': put their images into one "
                "folder, and remove the other"
            )


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()
