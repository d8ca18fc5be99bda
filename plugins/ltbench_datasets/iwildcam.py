"""``iwildcam``: camera traps at 323 locations, as the WILDS benchmark splits them."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ltbench.api import (
    DataError,
    Facts,
    Split,
    SplitOrigin,
    fetch_sources,
    hparam,
    read_file,
    where_to_put,
    wrong_files,
)
from ltbench_datasets.file_images import FileImages
from ltbench_datasets.list_files import check_once, stays_below
from ltbench_datasets.profiles import ProfileParameters, with_profile

COLUMNS = ("split", "location_remapped", "y", "filename")
POOLED, LOCATIONS = "pooled", "locations"
OOD, ID = "ood", "id"
PARTS = {"train": "train", "val": "val", "id_val": "val", "test": "test", "id_test": "test"}
GROUPS = {"train": 0, "id_val": 0, "id_test": 0, "val": 1, "test": 2}
GROUP_NAMES = ("training-locations", "validation-locations", "test-locations")
MOST = 100_000  # classes, or locations, that a table may name


class IWildCamParameters(ProfileParameters):
    """Parameters of ``iwildcam``."""

    domains: str = hparam(
        POOLED,
        choices=(POOLED, LOCATIONS),
        help="one domain of all training locations, or one for each; a step has images of each",
    )
    select_on: str = hparam(
        OOD,
        choices=(OOD, ID),
        help="validation images: of locations that do not train (WILDS), or of those that do",
    )
    size: int = hparam(448, low=8, high=4096, help="side in pixels that the network sees")


class Sighting(NamedTuple):
    """An image of the table, with what WILDS says of it."""

    split: str
    location: int
    y: int
    image: str


class IWildCam(FileImages):
    """iWildCam of WILDS v2 (Koh et al., ICML 2021): 182 animals before 323 camera traps.

    The table is WILDS's own ``metadata.csv``. Of its five parts ``train`` trains and ``val``
    validates, at locations that do not train; ``test`` and ``id_test`` test together, and each is a
    further test set: ``ood`` of locations that neither train nor validate, and ``id`` of those that
    train. WILDS ranks by the macro-F1 of ``ood``. Which of ``val`` and ``id_val`` validates,
    ``select_on`` says; the other one is not used.

    ``domains=pooled`` makes three domains of the locations: those that train, validate and test.
    With ``domains=locations`` every location is one, and each step takes images of every training
    location, as many as the protocol says: 243 where it says one.
    """

    HParams = IWildCamParameters

    @cached_property
    def facts(self) -> Facts:
        """The registry's facts, with the names of classes and locations where the files tell."""
        base = self.registered
        protocols = base.protocols
        if self.hparams.domains == LOCATIONS:
            # One image of each of the 243 is what a step can take.
            protocols = {name: p | {"batch_per_domain": 1} for name, p in protocols.items()}
        facts = dataclasses.replace(base, size=self.hparams.size, protocols=protocols)
        if self.missing() is not None:
            return facts
        classes = tuple(self._names.get(c, str(c)) for c in range(self._classes))
        if self.hparams.domains == POOLED:
            return dataclasses.replace(facts, classes=classes)
        domains = tuple(f"location-{location}" for location in self._locations)
        return dataclasses.replace(facts, classes=classes, domains=domains, counts={})

    @cached_property
    def registered(self) -> Facts:
        """The registry's facts alone."""
        return super().facts

    @cached_property
    def root(self) -> Path:
        """The folder of the table, or the one where it should be."""
        candidates = [self.data_dir / name for name in self._layout["folders"]]
        there = [path for path in candidates if (path / self._layout["table"]).is_file()]
        return there[0] if there else candidates[0]

    def missing(self) -> str | None:
        """Say that the table or the images are not there."""
        layout = self._layout
        absent = [
            path for path in (self.root / layout["table"], self._images_folder) if not path.exists()
        ]
        return where_to_put(self.registered, absent[0], self.name) if absent else None

    def prepare(self, report: Callable[[str], None]) -> None:
        """Download and unpack the archive, 12 GB."""
        if self.missing() is not None:
            fetch_sources(self.registered.sources, self.data_dir, report)
            for name in ("root", "facts", "_sightings", "_locations", "_names"):
                self.__dict__.pop(name, None)

    def split(self) -> Split:
        """Return the table of WILDS, in its order."""
        facts, pooled = self.facts, self.hparams.domains == POOLED
        number = {location: d for d, location in enumerate(self._locations)}
        unused = "id_val" if self.hparams.select_on == OOD else "val"
        rows = [
            (one.image, one.y, GROUPS[one.split] if pooled else number[one.location], one.split)
            for one in self._sightings
            if one.split != unused
        ]
        table = [(image, y, d, PARTS[part]) for image, y, d, part in rows]
        split = Split.from_rows(table, (len(facts.domains), len(facts.classes)))
        trained = len(set(split.d[split.rows("train")].tolist()))
        split = dataclasses.replace(split, held_out=len(facts.domains) - trained)
        # Numbers, as the draws go by them and names are known only where categories.csv is.
        numbers = [str(c) for c in range(len(facts.classes))]
        return with_profile(split, self.hparams, facts.domains, numbers)

    def test_sets(self, split: Split) -> dict[str, NDArray[np.int64]]:
        """Return the images of locations that do not train, and of those that do."""
        rows, out = split.rows("test"), {o.image for o in self._sightings if o.split == "test"}
        is_out = np.array([image in out for image in split.images[rows].tolist()], dtype=bool)
        sets = {OOD: rows[is_out], ID: rows[~is_out]}
        return {name: found for name, found in sets.items() if len(found)}

    def remarks(self, split: Split) -> list[str]:
        """Say how many images a step takes where every location is a domain."""
        if self.hparams.domains == POOLED:
            return []
        trained = split.shape[0] - split.held_out
        return [
            f"every step takes images of {trained} training locations, batch_per_domain of each; "
            f"with domains={POOLED} it takes batch_per_domain of all of them together"
        ]

    def files(self, split: Split) -> list[str]:
        """Return the paths below the root."""
        folder = self._layout["images"]
        return [f"{folder}/{name}" for name in split.images.tolist()]

    def split_origin(self, split: Split) -> SplitOrigin:
        """Say whether the table is the one of WILDS v2."""
        path, known = self.root / self._layout["table"], self._layout["md5"]
        if wrong := wrong_files([(path, {"file": path.name, "md5": known})]):
            return SplitOrigin(f"split of another {path.name}", wrong[0])
        return SplitOrigin("official split", f"of WILDS v2, {path}")

    @property
    def _layout(self) -> dict[str, Any]:
        return dict(self.registered.details["layout"])

    @property
    def _images_folder(self) -> Path:
        return self.root / str(self._layout["images"])

    @cached_property
    def _sightings(self) -> list[Sighting]:
        path = self.root / self._layout["table"]
        found = list(_sightings(path))
        if not found:
            raise DataError(f"{path} names no image below its first line")
        check_once((one.image for one in found), str(path))
        trains = {one.location for one in found if GROUPS[one.split] == 0}
        stray = next((o for o in found if GROUPS[o.split] and o.location in trains), None)
        if stray:
            raise DataError(
                f"{path}: location {stray.location} is in '{stray.split}' and trains too"
            )
        return found

    @cached_property
    def _locations(self) -> list[int]:
        """The locations: those that train, those that validate, those that test."""
        groups: dict[int, int] = {}
        for one in self._sightings:
            groups[one.location] = max(GROUPS[one.split], groups.get(one.location, 0))
        trained = {one.location for one in self._sightings if one.split == "train"}
        return sorted(groups, key=lambda at: (at not in trained, groups[at], at))

    @property
    def _classes(self) -> int:
        known = len(self.registered.classes)
        return max(known, 1 + max(one.y for one in self._sightings))

    @cached_property
    def _names(self) -> dict[int, str]:
        """The names of the classes, of the file ``categories.csv`` where it is there."""
        path = self.root / self._layout["names"]
        if not path.is_file():
            return {}
        names = {}
        for row in _rows(path, ("y", "name")):
            if row[0].isascii() and row[0].isdigit() and len(row[0]) < 6 and row[1].isprintable():
                names[int(row[0])] = row[1].strip()
        twice = len(set(names.values())) < len(names) or not all(names.values())
        return {} if twice else names


def _sightings(path: Path) -> Iterator[Sighting]:
    """Yield the rows of WILDS's table.

    Raises:
        DataError: it cannot be read, lacks a column, or a row does not fit; the message names it.
    """
    for line, (part, location, y, image) in enumerate(_rows(path, COLUMNS), start=2):
        if part not in PARTS:
            raise DataError(f"{path}, line {line}: split is '{part[:40]}', not {', '.join(PARTS)}")
        numbers = [text.removesuffix(".0") for text in (location, y)]
        if not all(n.isascii() and n.isdigit() and len(n) < 9 and int(n) < MOST for n in numbers):
            raise DataError(f"{path}, line {line}: location and class must be numbers from 0")
        if not stays_below(image):
            raise DataError(f"{path}, line {line}: '{image[:80]}' is no file of the images")
        yield Sighting(part, int(numbers[0]), int(numbers[1]), image)


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[list[str]]:
    """Yield the cells of some columns of a CSV.

    Raises:
        DataError: it is no CSV in UTF-8, lacks a column, or a row is too short.
    """
    try:
        text = read_file(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = next(reader, [])
        if absent := [name for name in columns if name not in head]:
            raise DataError(f"{path} has no column '{absent[0]}': it must be that of WILDS v2")
        places = [head.index(name) for name in columns]
        for cells in reader:
            if len(cells) != len(head):
                raise DataError(
                    f"{path}, line {reader.line_num}: {len(cells)} cells, not {len(head)}"
                )
            yield [cells[place] for place in places]
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from error
