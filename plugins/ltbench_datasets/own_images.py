"""What all data sets share that are a user's own: names that are found, quotas, and profiles."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

from ltbench.api import (
    PROFILES,
    DataError,
    Dataset,
    Facts,
    HParams,
    Split,
    hold_out,
    hparam,
    pair_generator,
)
from ltbench_datasets.folder_layout import Item
from ltbench_datasets.profiles import AS_IS, with_profile


class OwnParameters(HParams):
    """Parameters of data sets of which nothing is known before they are looked at."""

    size: int = hparam(224, low=8, high=4096, help="side in pixels that the network sees")
    val: int = hparam(5, low=1, help="validation images per domain and class")
    test: int = hparam(10, low=1, help="test images per domain and class")
    keep: float = hparam(0.5, low=0.0, high=1.0, help="share of each pair that always trains")
    many: int = hparam(100, low=1, help="pairs with more training images are many-shot")
    few: int = hparam(20, low=0, help="pairs with at most this many, not none, are few-shot")
    profile: str = hparam(
        AS_IS,
        choices=(AS_IS, *PROFILES),
        help="leave out training images until the classes of each domain have this shape",
    )
    ratio: float = hparam(100.0, low=1.0, help="largest class over smallest, for a profile")
    data_seed: int = hparam(0, low=0, help="chooses which images train")


class OwnImages(Dataset):
    """Images each of which says its class, and perhaps its domain and its part.

    What has no part of its own is split by the quota rule of :func:`ltbench.api.hold_out`.
    Subclasses say what there is (:attr:`items`) and where (:attr:`place`).
    """

    HParams: ClassVar[type[HParams]] = OwnParameters

    @property
    def place(self) -> str:
        """Where the images are, for messages."""
        raise NotImplementedError

    @property
    def items(self) -> list[Item]:
        """The images, at least two classes of them.

        Raises:
            DataError: there are not, or they cannot be read.
        """
        raise NotImplementedError

    def class_names(self) -> Sequence[str]:
        """Return the classes in the order of their numbers, by default that of their names."""
        return sorted({item.label for item in self.items})

    @cached_property
    def facts(self) -> Facts:
        """The registry's facts with the domains, classes, size and thresholds of these images."""
        base = super().facts
        if cause := self.missing():
            raise DataError(cause)
        return dataclasses.replace(
            base,
            title=f"Images in {self.place}",
            domains=tuple(sorted({item.domain for item in self.items})),
            classes=tuple(self.class_names()),
            size=self.hparams.size,
            many=self.hparams.many,
            few=self.hparams.few,
        )

    def split(self) -> Split:
        """Return the table, sorted by image: independent of the file system's order."""
        facts = self.facts
        domains = {name: d for d, name in enumerate(facts.domains)}
        classes = {name: c for c, name in enumerate(facts.classes)}
        parts = self._parts()
        rows = [
            (item.path, classes[item.label], domains[item.domain], parts[item.path])
            for item in sorted(self.items, key=lambda item: item.path)
        ]
        split = Split.from_rows(rows, (len(domains), len(classes)))
        return with_profile(split, self.hparams, facts.domains, facts.classes)

    def _parts(self) -> dict[str, str]:
        """Return each image's part: the one it came with, or one by the quota rule.

        Where the images come as training and test only, validation is held out from training, and
        the other way round.
        """
        given = {item.part for item in self.items}
        if "" in given and len(given) > 1:
            stray = next(item.path for item in self.items if not item.part)
            raise DataError(f"{self.place}: some images name their part and '{stray}' does not")
        rule = self.hparams
        val, test = (
            0 if part in given else quota
            for part, quota in (("val", rule.val), ("test", rule.test))
        )
        parts = {item.path: item.part for item in self.items if item.part in ("val", "test")}
        pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
        for item in self.items:
            if item.path not in parts:
                pairs[item.domain, item.label].append(item.path)
        for (domain, label), paths in pairs.items():
            generator = pair_generator(rule.data_seed, domain, label)
            parts |= hold_out(paths, val, test, generator, rule.keep)
        return parts
