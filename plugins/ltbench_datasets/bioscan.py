"""``bioscan5m``: insects under the microscope, moths among them, by the splits of their authors."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ltbench.api import (
    DataError,
    Facts,
    Split,
    UsageError,
    fetch_sources,
    hparam,
    open_file,
    where_to_put,
    wrong_files,
)
from ltbench_datasets.file_images import FileImages
from ltbench_datasets.list_files import check_once
from ltbench_datasets.profiles import ProfileParameters, with_profile

RANKS = ("species", "genus", "family")
COLUMNS = ("processid", "chunk", "split", "order", *reversed(RANKS), "country")
SPLITS = ("train", "val", "test")
ALL = "all"
POOLED, COUNTRIES = "pooled", "countries"


class BioscanParameters(ProfileParameters):
    """Parameters of ``bioscan5m``."""

    order: str = hparam(
        ALL, help="insects of one order alone: Lepidoptera are moths and butterflies"
    )
    rank: str = hparam("species", choices=RANKS, help="what the classes are")
    domains: str = hparam(
        POOLED, choices=(POOLED, COUNTRIES), help="one domain, or one for each country of training"
    )


class Specimen(NamedTuple):
    """A row of the excerpt, in the order of :data:`COLUMNS`."""

    image: str
    chunk: str
    split: str
    order: str
    family: str
    genus: str
    species: str
    country: str

    @property
    def path(self) -> str:
        """The image below the folder of the images."""
        return "/".join(part for part in (self.split, self.chunk, f"{self.image}.jpg") if part)


class Bioscan(FileImages):
    """BIOSCAN-5M (Gharaee et al., NeurIPS 2024): the parts train, val and test of known species.

    ``ltbench data prepare`` reads the metadata of all five million specimens once and writes down
    those of the three parts. Classes are the names that train, in their order; images of others,
    of which there are none at the rank of species, and of other orders are not used. With
    ``domains=countries`` the domains are the countries that train; images of others are not used.
    """

    HParams = BioscanParameters

    @cached_property
    def facts(self) -> Facts:
        """The registry's facts, with the classes and countries of the excerpt where it is there."""
        base = self.registered
        if self.missing() is not None:
            return base
        classes = tuple(sorted({getattr(one, self.hparams.rank) for one in self._trained}))
        changed = self.hparams.changed()
        facts = dataclasses.replace(base, classes=classes, counts={} if changed else base.counts)
        if self.hparams.domains == POOLED:
            return facts
        return dataclasses.replace(facts, domains=tuple(sorted({o.country for o in self._trained})))

    @cached_property
    def registered(self) -> Facts:
        """The registry's facts alone."""
        return super().facts

    @cached_property
    def root(self) -> Path:
        """The folder that holds the metadata and the images, or the one that should."""
        folders = self._folders
        there = [path for path in folders if (path / self._layout["images"]).is_dir()]
        return there[0] if there else folders[0]

    def missing(self) -> str | None:
        """Say that the images or the excerpt of the metadata are not there."""
        images = self.root / self._layout["images"]
        if not (images / "train").is_dir() or not (images / "test").is_dir():
            return where_to_put(self.registered, images, self.name)
        if not self._excerpt.is_file():
            return (
                f"the metadata of {self.name} have not been read: type 'ltbench data prepare "
                f"{self.name}', which looks for them at {self._metadata}"
            )
        return None

    def prepare(self, report: Callable[[str], None]) -> None:
        """Download the metadata and the images of the three parts, and write the excerpt."""
        if self.missing() is None:
            return
        if self._excerpt.is_file() or self._metadata.is_file():
            wanted = [s for s in self.registered.sources if "metadata" not in s["file"]]
        else:
            wanted = list(self.registered.sources)
        images = self.root / self._layout["images"]
        if (images / "train").is_dir() and (images / "test").is_dir():
            wanted = [source for source in wanted if "metadata" in source["file"]]
        fetch_sources(wanted, self.data_dir, report)
        self._look_again()
        if not self._excerpt.is_file():
            report(f"Reading {self._metadata}")
            self._write_excerpt()
        self._look_again()

    def split(self) -> Split:
        """Return the authors' parts, sorted by image."""
        facts, rank = self.facts, self.hparams.rank
        if len(facts.classes) < 2:
            known = ", ".join(name for name, _ in self._orders.most_common(8))
            raise UsageError(
                f"{self.name}[order={self.hparams.order}] leaves {len(facts.classes)} classes to "
                f"train on: choose one of {known}, or 'all'"
            )
        classes = {name: c for c, name in enumerate(facts.classes)}
        domains = {name: d for d, name in enumerate(facts.domains)}
        pooled = self.hparams.domains == POOLED
        rows = [
            (one.path, classes[label], 0 if pooled else domains[one.country], one.split)
            for one in self._chosen
            if (label := getattr(one, rank)) in classes and (pooled or one.country in domains)
        ]
        split = Split.from_rows(sorted(rows), (len(domains), len(classes)))
        return with_profile(split, self.hparams, facts.domains, facts.classes)

    def files(self, split: Split) -> list[str]:
        """Return the paths below the root."""
        return [f"{self._layout['images']}/{name}" for name in split.images.tolist()]

    def verify(self, split: Split) -> list[str]:
        """Compare counts and metadata with what is known of them, and look at every image."""
        known = {"file": self._metadata.name, "md5": self._layout["md5"]}
        came = [(self._metadata, known)] if self._metadata.is_file() else []
        return [*super().verify(split), *wrong_files(came)]

    @property
    def _layout(self) -> dict[str, Any]:
        return dict(self.registered.details["layout"])

    @property
    def _folders(self) -> list[Path]:
        """The folders that may hold the data set, the one that archives unpack to first."""
        return [self.data_dir / name for name in self._layout["folders"]]

    @property
    def _metadata(self) -> Path:
        """The metadata beside the images, or where the archive puts them."""
        places = [folder / self._layout["metadata"] for folder in (self.root, *self._folders)]
        return next((path for path in places if path.is_file()), places[0])

    @property
    def _excerpt(self) -> Path:
        return self.root / str(self._layout["excerpt"])

    def _look_again(self) -> None:
        for name in ("root", "facts", "_specimens", "_chosen", "_trained", "_orders"):
            self.__dict__.pop(name, None)

    def _write_excerpt(self) -> None:
        rows = [list(one) for one in _specimens(self._metadata) if one.split in SPLITS]
        place = self._excerpt
        new = place.with_name(f".{place.name}")
        try:
            with new.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
            new.replace(place)
        except OSError as error:
            raise UsageError(f"{place} cannot be written: {error.strerror or error}") from error

    @cached_property
    def _specimens(self) -> list[Specimen]:
        found = list(_specimens(self._excerpt))
        check_once((one.path for one in found), str(self._excerpt))
        return found

    @cached_property
    def _orders(self) -> Counter[str]:
        return Counter(one.order for one in self._specimens if one.split == "train" and one.order)

    @cached_property
    def _chosen(self) -> list[Specimen]:
        order, rank = self.hparams.order.lower(), self.hparams.rank
        return [
            one
            for one in self._specimens
            if order in (ALL, one.order.lower())
            and getattr(one, rank)
            and (self.hparams.domains == POOLED or one.country)
        ]

    @cached_property
    def _trained(self) -> list[Specimen]:
        return [one for one in self._chosen if one.split == "train"]


def _specimens(path: Path) -> Iterator[Specimen]:
    """Yield the rows of the metadata, or of their excerpt, one at a time.

    Raises:
        DataError: it is no CSV in UTF-8, lacks a column, or a row does not fit.
    """
    try:
        with open_file(path) as raw, io.TextIOWrapper(raw, "utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            head = next(reader, [])
            if absent := [name for name in COLUMNS if name not in head]:
                raise DataError(f"{path} has no column '{absent[0]}'")
            places = [head.index(name) for name in COLUMNS]
            for cells in reader:
                if len(cells) != len(head):
                    raise DataError(
                        f"{path}, line {reader.line_num}: a cell is missing or too many"
                    )
                one = Specimen(*(cells[place] for place in places))
                names = (one.image, one.chunk, one.split)
                if not all(name.isprintable() and "/" not in name for name in one):
                    raise DataError(f"{path}, line {reader.line_num}: a name cannot be used")
                if not one.image or ".." in names:
                    raise DataError(f"{path}, line {reader.line_num}: there is no image's name")
                yield one
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
