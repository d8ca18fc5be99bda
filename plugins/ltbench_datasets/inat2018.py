"""``inat2018``: the species of the iNaturalist competition of 2018."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ltbench.api import (
    PARTS,
    DataError,
    Split,
    SplitOrigin,
    hparam,
    pair_generator,
    quota_parts,
    read_file,
)
from ltbench_datasets.list_files import Labelled, stays_below
from ltbench_datasets.long_tail_lists import LongTailLists
from ltbench_datasets.profiles import ProfileParameters

KEEP = 0.5  # of the images of each species that always trains


class INatParameters(ProfileParameters):
    """Parameters of ``inat2018``."""

    val: int = hparam(
        0,
        low=0,
        later=True,
        help="validation images of each species, out of at most half of its training images",
    )


class Annotations(NamedTuple):
    """What a file of annotations tells.

    Attributes:
        images: with their classes, in the file's order.
        names: of the classes, by their numbers.
    """

    images: Labelled
    names: dict[int, str]


class INat2018(LongTailLists):
    """iNaturalist 2018: what the competition trains on trains, what it validates on tests.

    The table comes from the annotations of the competition (``train2018.json``, ``val2018.json``)
    or, where these are not there, from the lists ``path label`` that papers on long tails publish
    (``iNaturalist18_train.txt``, ``iNaturalist18_val.txt``), which hold the same images and classes
    in the same order. There is no validation set of its own; ``val`` sets images aside.
    """

    HParams = INatParameters

    def split_origin(self, split: Split) -> SplitOrigin:
        """Say which files made the split."""
        if self._annotations is None:
            return super().split_origin(split)
        places = ", ".join(map(str, self._annotations.values()))
        return SplitOrigin("official split", f"the annotations {places}")

    def is_class_name(self, folder: str) -> bool:
        """The folders are numbers, and the lists tell no name."""
        return False

    @property
    def _list_sources(self) -> list[dict[str, Any]]:
        """The annotations: who has these needs no lists."""
        lists = self._list_names.values()
        return [source for source in super()._list_sources if source["file"] not in lists]

    def _has_lists(self) -> bool:
        return self._annotations is not None or super()._has_lists()

    def _look_again(self) -> None:
        super()._look_again()
        for name in ("_annotations", "_read"):
            self.__dict__.pop(name, None)

    @cached_property
    def _annotations(self) -> dict[str, Path] | None:
        """The two files of annotations, where both are there."""
        names: dict[str, str] = self._layout["annotations"]
        places = (self.root, self.root.parent, self.data_dir)
        found = {
            part: next((p / name for p in places if (p / name).is_file()), None)
            for part, name in names.items()
        }
        there = {part: path for part, path in found.items() if path is not None}
        return there if len(there) == len(names) else None

    @cached_property
    def _read(self) -> dict[str, Annotations]:
        """The content of the annotations, by part."""
        return {part: read_annotations(path) for part, path in (self._annotations or {}).items()}

    def _class_names(self) -> dict[int, str]:
        names = self._read["train"].names if self._annotations else {}
        return names if len(set(names.values())) == len(names) else {}

    def _parts(self) -> dict[str, Labelled]:
        if self._annotations is None:
            parts = super()._parts()
        else:
            parts = {part: found.images for part, found in self._read.items()}
        return self._held_out(parts) if self.hparams.val else parts

    def _held_out(self, parts: dict[str, Labelled]) -> dict[str, Labelled]:
        """Return the parts with validation images of every class, out of training."""
        rule, by_class = self.hparams, defaultdict[int, list[str]](list)
        for name, label in parts["train"]:
            by_class[label].append(name)
        held: set[str] = set()
        for label, names in by_class.items():
            names.sort()
            generator = pair_generator(rule.data_seed, "validation", str(label))
            chosen = quota_parts(len(names), rule.val, 0, generator, KEEP) == PARTS.index("val")
            held.update(name for name, out in zip(names, chosen.tolist(), strict=True) if out)
        return {
            "train": [row for row in parts["train"] if row[0] not in held],
            "val": [row for row in parts["train"] if row[0] in held],
            "test": parts["test"],
        }


def read_annotations(path: Path) -> Annotations:
    """Return the images and classes of a file of annotations in the COCO format.

    Raises:
        DataError: it cannot be read, lacks a table or a field, an annotation is of no image that
            there is, or a path does not stay below the folder.
    """
    try:
        table = json.loads(read_file(path))
        files = {image["id"]: image["file_name"] for image in table["images"]}
        rows = [(files[one["image_id"]], one["category_id"]) for one in table["annotations"]]
        names = {int(one["id"]): str(one["name"]) for one in table["categories"]}
    except (ValueError, OverflowError, RecursionError, OSError) as error:
        raise DataError(f"the annotations {path} cannot be read: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"the annotations {path} are not in the COCO format: {_cause(error)}"
        ) from error
    for name, label in rows:
        if not isinstance(name, str) or not stays_below(name):
            raise DataError(f"{path}: {str(name)[:80]!r} is no path of an image below its folder")
        if type(label) is not int or label < 0:
            raise DataError(f"{path}: the class of '{name}' is {str(label)[:80]!r}, no number")
    return Annotations(rows, {c: name for c, name in names.items() if name.isprintable() and name})


def _cause(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
