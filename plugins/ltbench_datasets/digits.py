"""``digits-mlt``: MNIST-M and SVHN, with MNIST on request, each with a long tail of its own."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ltbench.api import (
    Dataset,
    Decode,
    Facts,
    HParams,
    Split,
    class_sizes,
    fetch_sources,
    files_fingerprint,
    hparam,
    where_to_put,
    wrong_files,
)
from ltbench_datasets.digit_files import FILES, LabelledDigits, read_digits
from ltbench_datasets.idx_files import find_file
from ltbench_datasets.long_tail import PROFILE_HELP, Quota, domain_rows, lettered_profiles

# Where torchvision and the MDLT benchmark keep the files; the first is this suite's.
FOLDERS = {
    "mnist": ("MNIST/raw", "mnist", "MNIST"),
    "mnist-m": ("MNISTM/processed", "MNIST-M", "mnist-m", "MNISTM"),
    "svhn": ("SVHN", "svhn"),
}
PARTS = ("train", "test")


class DigitsParameters(HParams):
    """Parameters of ``digits-mlt``."""

    mnist: bool = hparam(False, help="take MNIST as a third domain")
    ratio: float = hparam(100.0, low=1.0, high=1000.0, help="largest class over smallest")
    profile: str = hparam("e", help=PROFILE_HELP)
    data_seed: int = hparam(0, low=0, help="chooses the images")
    unit_range: bool = hparam(True, help="pixels from 0 to 1, as in the benchmark, or from -1 to 1")


class Digits(Dataset):
    """Digits of two or three domains, 28×28 in colour (Yang et al., ECCV 2022).

    Class c of a domain has int(1000 · ratio^(-c/9)) training images; validation and test are
    balanced. Validation comes from the source's training images, test from its test images. Files
    are found where torchvision and the MDLT benchmark put them. The network sees pixels from 0 to
    1, as there (``mdlt/dataset/datasets.py``, which converts and does not normalise).
    """

    HParams = DigitsParameters

    @cached_property
    def facts(self) -> Facts:
        """The registry's facts, with the domains that were asked for."""
        base = super().facts
        chosen = tuple(d for d in base.domains if d != "mnist" or self.hparams.mnist)
        if not self.hparams.unit_range:
            base = dataclasses.replace(base, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
        return dataclasses.replace(base, domains=chosen)

    @property
    def root(self) -> Path:
        """The folder that holds a folder for each domain."""
        return self.data_dir

    def missing(self) -> str | None:
        """Say which domain's files are not there."""
        for domain in self.facts.domains:
            for part in PARTS:
                for name in FILES[domain][part]:
                    if _find(self.data_dir, domain, name) is None:
                        place = self.data_dir / FOLDERS[domain][0] / name
                        return where_to_put(self.facts, place, self._typed)
        return None

    def prepare(self, report: Callable[[str], None]) -> None:
        """Download the files of the domains."""
        if self.missing() is not None:
            wanted = [s for s in self.facts.sources if s["domain"] in self.facts.domains]
            fetch_sources(wanted, self.data_dir, report)

    def split(self) -> Split:
        """Return the table for the parameters."""
        rule, classes = self.facts.details["split"], len(self.facts.classes)
        rows = []
        profiles = lettered_profiles(self.name, self.hparams.profile, self.facts.domains)
        for d, (domain, profile) in enumerate(zip(self.facts.domains, profiles, strict=True)):
            sizes = class_sizes(profile, rule["largest"], 1 / self.hparams.ratio, classes)
            quota = Quota(sizes, rule["val"], rule["test"])
            labels = {part: self._read(domain, part).labels for part in PARTS}
            rows += domain_rows(labels, quota, d, self.hparams.data_seed, domain)
        return Split.from_rows(rows, (len(self.facts.domains), classes))

    def decoder(self, split: Split) -> Decode:
        """Return the function that gives image ``i``."""
        pixels = {(d, p): self._read(d, p).images for d in self.facts.domains for p in PARTS}

        def decode(i: int) -> NDArray[np.uint8]:
            domain, part, number = str(split.images[i]).split("/")
            return np.asarray(pixels[domain, part][int(number)])

        return decode

    def image_files(self, split: Split) -> list[str]:
        """Return the published files of every domain and part, once each."""
        found = (p for d in self.facts.domains for part in PARTS for p in self._paths(d, part))
        return list(dict.fromkeys(map(str, found)))

    def fingerprint(self, split: Split) -> str:
        """Return text that changes with any file's size or time."""
        files = self.image_files(split)
        return files_fingerprint(self.data_dir, (os.path.relpath(p, self.data_dir) for p in files))

    def verify(self, split: Split) -> list[str]:
        """Compare the counts, and the checksums of the files that are kept as they came."""
        files = [
            (path, entry)
            for entry in self.facts.sources
            if entry["domain"] in self.facts.domains and not entry.get("unpack")
            if (path := _find(self.data_dir, entry["domain"], entry["file"]))
            and path.name == entry["file"]
        ]
        return [*super().verify(split), *wrong_files(files)]

    @property
    def _typed(self) -> str:
        return f"{self.name}[mnist=true]" if self.hparams.mnist else self.name

    def _paths(self, domain: str, part: str) -> list[Path]:
        names = FILES[domain][part]
        found = [_find(self.data_dir, domain, name) for name in names]
        return [path for path in found if path is not None]

    def _read(self, domain: str, part: str) -> LabelledDigits:
        paths = tuple(path.resolve() for path in self._paths(domain, part))
        return _read_cached(domain, paths, tuple(path.stat().st_mtime_ns for path in paths))


@lru_cache(maxsize=6)
def _read_cached(domain: str, paths: tuple[Path, ...], times: tuple[int, ...]) -> LabelledDigits:
    """Read files once a process; ``times`` are part of the key, so that a new file is read."""
    return read_digits(domain, paths)


def _find(data_dir: Path, domain: str, name: str) -> Path | None:
    """Return the file as published or decompressed, in the folders that other code uses."""
    return find_file([data_dir / folder for folder in (*FOLDERS[domain], "")], name)
