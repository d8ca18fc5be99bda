"""``cifar10-lt`` and ``cifar100-lt``: one domain, imbalance as a parameter."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.api import (
    PROFILES,
    DataError,
    Dataset,
    Decode,
    Facts,
    HParams,
    ShotRule,
    Split,
    class_sizes,
    fetch_sources,
    files_fingerprint,
    hparam,
    where_to_put,
    wrong_files,
)
from ltbench_datasets.cifar_files import read_batches
from ltbench_datasets.long_tail import Quota, domain_rows, long_tailed_test_sets


class CifarParameters(HParams):
    """Parameters of the long-tailed CIFAR data sets."""

    ratio: float = hparam(100.0, low=1.0, high=5000.0, help="largest class over smallest")
    profile: str = hparam("exp", choices=PROFILES, help="shape of the training set")
    val: int = hparam(0, low=0, high=4999, help="validation images a class, out of the training's")
    test: int = hparam(0, low=0, high=1000, help="test images a class; 0 is all of them")
    data_seed: int = hparam(0, low=0, help="chooses the images")


class Cifar(Dataset):
    """CIFAR made long-tailed: class c has int((N - val) · ratio^(-c/(C-1))) training images.

    N is 500 of CIFAR-100 and 5000 of CIFAR-10 (Cui et al., CVPR 2019). ``[val=50,test=50]`` gives
    the sizes of the thesis of Midtgaard (Aarhus 2025), with ``profile=balanced`` for its balanced
    training set. Beside the whole, balanced test set there are four more: a long-tailed part of it
    with max(1, int(n · .01^(c/(C-1)))) images a class, and that part's head, middle and tail
    classes, by the thresholds on a training set of ratio 100. The thesis counts a class of exactly
    20 training images to the tail, which the shots of the literature (``facts.shots``) do not.
    """

    HParams = CifarParameters

    @cached_property
    def facts(self) -> Facts:
        """The registry's facts."""
        return super().facts

    @cached_property
    def root(self) -> Path:
        """The folder of the published pickles."""
        return self.data_dir / str(self._layout["folder"])

    def missing(self) -> str | None:
        """Say that the pickles are not there."""
        absent = [name for name in self._files if not (self.root / name).is_file()]
        if not absent:
            return None
        return where_to_put(self.facts, self.root / absent[0], self.name)

    def prepare(self, report: Callable[[str], None]) -> None:
        """Download and unpack the archive."""
        if self.missing() is not None:
            fetch_sources(self.facts.sources, self.data_dir, report)

    def split(self) -> Split:
        """Return the table for the parameters."""
        rule, given = self.facts.details["split"], self.hparams
        largest = rule["largest"] - given.val
        if largest < 1:
            raise DataError(
                f"{self.name}[val={given.val}] leaves nothing to train on: a class has "
                f"{rule['largest']} images"
            )
        sizes = class_sizes(given.profile, largest, 1 / given.ratio, len(self.facts.classes))
        quota = Quota(sizes, given.val, given.test or None)
        labels = {part: self._read(part)[1] for part in ("train", "test")}
        rows = domain_rows(labels, quota, 0, given.data_seed, self.facts.domains[0])
        return Split.from_rows(rows, (1, len(self.facts.classes)))

    def decoder(self, split: Split) -> Decode:
        """Return the function that gives image ``i``."""
        pixels = {part: self._read(part)[0] for part in ("train", "test")}

        def decode(i: int) -> NDArray[np.uint8]:
            _, part, number = str(split.images[i]).split("/")
            return pixels[part][int(number)].transpose(1, 2, 0)

        return decode

    def image_files(self, split: Split) -> list[str]:
        """Return the pickles."""
        return [str(self.root / name) for name in self._files]

    def fingerprint(self, split: Split) -> str:
        """Return text that changes with the pickles' size or time."""
        return files_fingerprint(self.root, self._files)

    def verify(self, split: Split) -> list[str]:
        """Compare the counts, and the files' checksums."""
        known = self._layout.get("md5", {}).items()
        files = [(self.root / name, {"file": name, "md5": md5}) for name, md5 in known]
        return [*super().verify(split), *wrong_files(files)]

    def test_sets(self, split: Split) -> dict[str, NDArray[np.int64]]:
        """Return the rows of the balanced and long-tailed test sets, and of its three thirds."""
        largest = self.facts.details["split"]["largest"] - self.hparams.val
        return long_tailed_test_sets(split, ShotRule(self.facts.many, self.facts.few), largest)

    @property
    def _layout(self) -> dict[str, Any]:
        return dict(self.facts.details["layout"])

    @property
    def _files(self) -> list[str]:
        return [*self._layout["train"], *self._layout["test"]]

    def _read(self, part: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        if part not in self._parts:
            paths = [self.root / name for name in self._layout[part]]
            self._parts[part] = read_batches(paths, self._layout["labels"], len(self.facts.classes))
        return self._parts[part]

    @cached_property
    def _parts(self) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]:
        return {}
