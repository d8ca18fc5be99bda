"""``image-folder``: a user's own images."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ltbench.api import (
    DataError,
    Decode,
    HParams,
    Split,
    absent_files,
    files_fingerprint,
    hparam,
    read_image,
)
from ltbench_datasets.folder_layout import Item, Tree, walk
from ltbench_datasets.image_table import read_table
from ltbench_datasets.own_images import OwnImages, OwnParameters
from ltbench_datasets.passed_over import unread_photographs


class Root(HParams):
    """Where the images are."""

    root: str = hparam(
        "", place=True, help="folder of the images, or a CSV path,label[,domain][,split]"
    )


class FolderParameters(OwnParameters, Root):
    """Parameters of ``image-folder``."""


class ImageFolder(OwnImages):
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

    @property
    def place(self) -> str:
        """The folder or CSV."""
        return str(self.root)

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
    def items(self) -> list[Item]:
        """The images of two or more classes."""
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
