"""``fashion-mlt``: Fashion-MNIST in four domains, each with a long tail of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ltbench.api import (
    DataError,
    Dataset,
    Decode,
    Facts,
    HParams,
    Split,
    class_sizes,
    fetch_sources,
    hparam,
    pair_generator,
    where_to_put,
)
from ltbench_datasets.idx_files import FILES, find_file, read_idx
from ltbench_datasets.long_tail import (
    PROFILE_HELP,
    Labels,
    Quota,
    domain_rows,
    lettered_profiles,
)

FOLDERS = ("FashionMNIST/raw", "fashion-mnist")
"""Where torchvision keeps the files below the data folder, and where people put them by hand."""
SYSTEM = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package ``dataset-fashion-mnist`` puts them."""
SIDE = 28

Pixels = NDArray[np.uint8]


class FashionParameters(HParams):
    """Parameters of ``fashion-mlt``."""

    ratio: float = hparam(400.0, low=1.0, high=5000.0, help="largest class over smallest")
    profile: str = hparam("eiei", help=PROFILE_HELP)
    test: int = hparam(100, low=1, high=250, help="test images of each class and domain")
    data_seed: int = hparam(0, low=0, help="chooses the images")


class Fashion(Dataset):
    """Clothes in 28×28 grey values (Xiao et al., 2017): upright, turned 30° and 60°, inverted.

    The images of a class are dealt out among the domains, so that no image is in two domains; the
    published training images train and validate, the published test images test. Class c of a
    domain has int(300 · ratio^(-c/9)) training images, or with an inverse profile class 9-c. At the
    default ratio the last class has none. Validation and test are balanced.

    The registry knows the SHA-256 of the decompressed files and others are refused, so that runs
    are the same whether the files are Debian's, torchvision's or were unpacked by hand.
    """

    HParams = FashionParameters

    @cached_property
    def facts(self) -> Facts:
        """The registry's facts."""
        return super().facts

    @property
    def root(self) -> Path:
        """The folder of the files, or the one where they should be."""
        name = FILES["train"][0]
        found = find_file(self._folders, name)
        return found.parent if found else self._folders[0]

    def missing(self) -> str | None:
        """Say that the files are not there."""
        names = (name for part in FILES.values() for name in part)
        absent = [name for name in names if find_file(self._folders, name) is None]
        if not absent:
            return None
        said = where_to_put(self.facts, self._folders[0] / absent[0], self.name)
        return f"{said}; on Debian and Ubuntu 'apt install dataset-fashion-mnist' has them too"

    def prepare(self, report: Callable[[str], None]) -> None:
        """Download the four files to where torchvision would."""
        if self.missing() is not None:
            fetch_sources(self.facts.sources, self.data_dir, report)

    def split(self) -> Split:
        """Return the table for the parameters."""
        rule, domains = self.facts.details["split"], self.facts.domains
        classes, seed = len(self.facts.classes), self.hparams.data_seed
        profiles = lettered_profiles(self.name, self.hparams.profile, domains)
        labels = {part: self._labels(part) for part in FILES}
        owners = {part: _dealt(labels[part], len(domains), seed, part) for part in FILES}
        rows = []
        for d, (domain, profile) in enumerate(zip(domains, profiles, strict=True)):
            sizes = class_sizes(profile, rule["largest"], 1 / self.hparams.ratio, classes)
            # An image of another domain has no class here.
            own = {part: np.where(owners[part] == d, labels[part], -1) for part in FILES}
            quota = Quota(sizes, rule["val"], self.hparams.test)
            rows += domain_rows(own, quota, d, seed, domain)
        return Split.from_rows(rows, (len(domains), classes))

    def decoder(self, split: Split) -> Decode:
        """Return the function that gives image ``i`` as its domain shows it."""
        images = {part: self._images(part) for part in FILES}
        views = self.facts.details["views"]

        def decode(i: int) -> Pixels:
            domain, part, number = str(split.images[i]).split("/")
            return _seen(images[part][int(number)], views[domain])

        return decode

    def verify(self, split: Split) -> list[str]:
        """Compare the counts, and read the files of images; those of labels are read already."""
        for part in FILES:
            self._images(part)
        return super().verify(split)

    @property
    def _folders(self) -> list[Path]:
        return [*(self.data_dir / folder for folder in FOLDERS), SYSTEM]

    def _labels(self, part: str) -> Labels:
        labels = self._read(FILES[part][1])
        if labels.ndim != 1 or not set(np.unique(labels)) <= set(range(len(self.facts.classes))):
            raise self._broken(FILES[part][1], f"it holds labels of shape {labels.shape}, not 0…9")
        return labels.astype(np.int64)

    def _images(self, part: str) -> Pixels:
        images, wanted = self._read(FILES[part][0]), (len(self._labels(part)), SIDE, SIDE)
        if images.shape != wanted:
            raise self._broken(
                FILES[part][0], f"it holds images of shape {images.shape} where {wanted} belong"
            )
        return images

    def _read(self, name: str) -> Pixels:
        path = find_file(self._folders, name)
        if path is None:
            raise DataError(self.missing() or f"{name} was there a moment ago and is gone")
        known = self.facts.details.get("content", {}).get(name.removesuffix(".gz"), "")
        try:
            return read_idx(path, known)
        except (OSError, EOFError, ValueError) as error:
            raise self._broken(name, str(error)) from error

    def _broken(self, name: str, cause: str) -> DataError:
        path = find_file(self._folders, name)
        instead = (
            "install the package 'dataset-fashion-mnist' again"
            if path is not None and path.parent == SYSTEM
            else f"remove the file, then type 'ltbench data prepare {self.name}'"
        )
        return DataError(f"{path or name} cannot be read ({cause}): {instead}")


def _dealt(labels: Labels, domains: int, data_seed: int, part: str) -> NDArray[np.int64]:
    """Return each image's domain, (N,): those of a class are shuffled and dealt out in turn."""
    owners = np.empty(len(labels), dtype=np.int64)
    for c in np.unique(labels):
        found = np.flatnonzero(labels == c)
        order = pair_generator(data_seed, "fashion-mlt", part, str(c)).permutation(len(found))
        owners[found[order]] = np.arange(len(found)) % domains
    return owners


def _seen(grey: Pixels, view: int | str) -> Pixels:
    """Return an image (28, 28) in three channels, turned by degrees or with its greys inverted."""
    if view == "inverted":
        grey = 255 - grey
    elif view:
        turned = Image.fromarray(grey).rotate(int(view), Image.Resampling.BILINEAR)
        grey = np.asarray(turned)
    return np.repeat(grey[:, :, None], 3, axis=2)
