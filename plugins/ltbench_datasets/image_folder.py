"""``image-folder``: a user's own images."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ltbench.api import (
    PROFILES,
    DataError,
    Dataset,
    Decode,
    Facts,
    HParams,
    Split,
    absent_files,
    class_sizes,
    files_fingerprint,
    hold_out,
    hparam,
    pair_generator,
    read_image,
)
from ltbench_datasets.folder_layout import Item, Tree, walk
from ltbench_datasets.image_table import read_table
from ltbench_datasets.passed_over import unread_photographs


class FolderParameters(HParams):
    """Parameters of ``image-folder``."""

    root: str = hparam(
        "", place=True, help="folder of the images, or a CSV path,label[,domain][,split]"
    )
    size: int = hparam(224, low=8, high=4096, help="side in pixels that the network sees")
    val: int = hparam(5, low=1, help="validation images per domain and class")
    test: int = hparam(10, low=1, help="test images per domain and class")
    keep: float = hparam(0.5, low=0.0, high=1.0, help="share of each pair that always trains")
    many: int = hparam(100, low=1, help="pairs with more training images are many-shot")
    few: int = hparam(20, low=0, help="pairs with at most this many, not none, are few-shot")
    profile: str = hparam(
        "as-is",
        choices=("as-is", *PROFILES),
        help="leave out training images until the classes of each domain have this shape",
    )
    ratio: float = hparam(100.0, low=1.0, help="largest class over smallest, for a profile")
    data_seed: int = hparam(0, low=0, help="chooses which images train")


class ImageFolder(Dataset):
    """Images as ``root/class/*``, ``root/domain/class/*``, or named by a CSV.

    Folders called train, val (valid, validation) and test directly below ``root`` are parts, not
    domains. What has no part of its own is split by the quota rule of
    :func:`ltbench.api.hold_out`. Only folders that hold images count: hidden ones, empty
    ones, those that systems make and stray files are passed over, and what of these a person may
    miss is said. Source: whoever took the images.
    """

    HParams = FolderParameters

    @cached_property
    def root(self) -> Path:
        """The folder (or CSV) as given, with ``~`` expanded."""
        return Path(self.hparams.root).expanduser()

    @cached_property
    def base(self) -> Path:
        """The folder that image names are relative to."""
        return self.root.parent if self._is_table else self.root

    def missing(self) -> str | None:
        """Say that ``root`` is not given or not there."""
        place = self.hparams.root or "/path/to/images"
        command = f"ltbench data prepare 'image-folder[root={place}]'"
        if not self.hparams.root:
            return f"image-folder needs its folder: {command}"
        if not self.root.exists():
            return (
                f"there is no folder {self.root.absolute()}: put images there as root/class/* or "
                f"root/domain/class/*, then type {command}"
            )
        if not self.root.is_dir() and not self._is_table:
            return (
                f"{self.root} is neither a folder nor a .csv: give the folder that holds the "
                "images, unpacked, or a CSV path,label[,domain][,split]"
            )
        return None

    @cached_property
    def facts(self) -> Facts:
        """The registry's facts with this folder's domains, classes, size and thresholds."""
        base = super().facts
        if cause := self.missing():
            raise DataError(cause)
        return dataclasses.replace(
            base,
            title=f"Images in {self.root}",
            domains=tuple(sorted({item.domain for item in self._items})),
            classes=tuple(sorted({item.label for item in self._items})),
            size=self.hparams.size,
            many=self.hparams.many,
            few=self.hparams.few,
        )

    def split(self) -> Split:
        """Return the table, independent of the file system's order."""
        facts = self.facts
        domains = {name: d for d, name in enumerate(facts.domains)}
        classes = {name: c for c, name in enumerate(facts.classes)}
        parts = self._parts()
        left_out = self._left_out(parts)
        rows = [
            (item.path, classes[item.label], domains[item.domain], parts[item.path])
            for item in sorted(self._items, key=lambda item: item.path)
            if item.path not in left_out
        ]
        return Split.from_rows(rows, (len(domains), len(classes)))

    def decoder(self, split: Split) -> Decode:
        """Return the function that reads image ``i`` from its file."""

        def decode(i: int) -> NDArray[np.uint8]:
            return read_image(self.base / str(split.images[i]), self.facts.channels)

        return decode

    def image_files(self, split: Split) -> list[str]:
        """Return every image's file."""
        return [f"{self.base}/{name}" for name in split.images]

    def fingerprint(self, split: Split) -> str:
        """Return text that changes with any file's size or time."""
        # Half a million files take seconds, and a run asks more than once.
        if split.sha256 not in self._fingerprints:
            self._fingerprints[split.sha256] = files_fingerprint(self.base, split.images)
        return self._fingerprints[split.sha256]

    @cached_property
    def _fingerprints(self) -> dict[str, str]:
        return {}

    def remarks(self, split: Split) -> list[str]:
        """Say what of the folder is passed over, and which names may be meant otherwise."""
        return list(self._tree.remarks)

    def verify(self, split: Split) -> list[str]:
        """List photographs of kinds that nothing here reads, and images that are not there."""
        return [*self._look().unread, *absent_files(self.base, split.images)]

    @property
    def _is_table(self) -> bool:
        return self.root.suffix.lower() == ".csv"

    @cached_property
    def _tree(self) -> Tree:
        return self._look()

    def _look(self) -> Tree:
        """Return what is there now."""
        if not self._is_table:
            return walk(self.root)
        items = read_table(self.root)
        unread = unread_photographs((item.path for item in items), asked_for=True)
        return Tree(items, unread, unread)

    @cached_property
    def _items(self) -> list[Item]:
        items = self._tree.items
        labels = {item.label for item in items}
        if not items:
            others = "".join(f"; {sentence}" for sentence in self._tree.remarks)
            raise DataError(
                f"there are no images below {self.root}: put them in root/class/*{others}"
            )
        if len(labels) < 2:
            others = "".join(f"; {sentence}" for sentence in self._tree.remarks)
            raise DataError(
                f"{self.root} holds a single class, '{labels.pop()}': put images of two or more in "
                f"root/class/*{others}"
            )
        return items

    def _parts(self) -> dict[str, str]:
        """Return each image's part: the one it came with, or one by the quota rule.

        Where the images come as training and test only, validation is held out from training, and
        the other way round.
        """
        given = {item.part for item in self._items}
        if "" in given and len(given) > 1:
            stray = next(item.path for item in self._items if not item.part)
            raise DataError(f"{self.root}: some images name their part and '{stray}' does not")
        rule = self.hparams
        val, test = (
            0 if part in given else quota
            for part, quota in (("val", rule.val), ("test", rule.test))
        )
        parts = {item.path: item.part for item in self._items if item.part in ("val", "test")}
        pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
        for item in self._items:
            if item.path not in parts:
                pairs[item.domain, item.label].append(item.path)
        for (domain, label), paths in pairs.items():
            generator = pair_generator(rule.data_seed, domain, label)
            parts |= hold_out(paths, val, test, generator, rule.keep)
        return parts

    def _left_out(self, parts: dict[str, str]) -> set[str]:
        """Return the training images that the profile has no place for.

        In each domain the class with most training images comes first in the profile, then the
        next. A class that has fewer images than its place asks for keeps them all; one that has
        any keeps at least one.
        """
        rule, left_out = self.hparams, set[str]()
        if rule.profile == "as-is":
            return left_out
        for domain in self.facts.domains:
            pairs: dict[str, list[str]] = defaultdict(list)
            for item in self._items:
                if item.domain == domain and parts[item.path] == "train":
                    pairs[item.label].append(item.path)
            if not pairs:
                continue
            labels = sorted(pairs, key=lambda label: (-len(pairs[label]), label))
            sizes = class_sizes(rule.profile, len(pairs[labels[0]]), 1 / rule.ratio, len(labels))
            for label, size in zip(labels, sizes, strict=True):
                generator = pair_generator(rule.data_seed, "profile", domain, label)
                order = generator.permutation(len(pairs[label]))
                paths = sorted(pairs[label])
                left_out.update(paths[i] for i in order[max(1, int(size)) :])
        return left_out
