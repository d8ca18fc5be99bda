"""What all data sets share whose images are files below one folder."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ltbench.api import (
    Dataset,
    Decode,
    Split,
    absent_files,
    files_fingerprint,
    read_image,
)


class FileImages(Dataset):
    """Images that are files below :attr:`root`, by default called there as in the split."""

    @property
    def root(self) -> Path:
        """The folder that the images lie in, or the one where they should."""
        raise NotImplementedError

    def files(self, split: Split) -> list[str]:
        """Return the path of every image relative to the root."""
        found: list[str] = split.images.tolist()
        return found

    def decoder(self, split: Split) -> Decode:
        """Return the function that reads image ``i`` from its file."""
        files, root, channels = self.files(split), self.root, self.facts.channels

        def decode(i: int) -> NDArray[np.uint8]:
            return read_image(root / files[i], channels)

        return decode

    def image_files(self, split: Split) -> list[str]:
        """Return every image's file."""
        return [f"{self.root}/{name}" for name in self.files(split)]

    def fingerprint(self, split: Split) -> str:
        """Return text that changes with any file's size or time."""
        # Half a million files take seconds, and a run asks more than once.
        if split.sha256 not in self._fingerprints:
            self._fingerprints[split.sha256] = files_fingerprint(self.root, self.files(split))
        return self._fingerprints[split.sha256]

    def verify(self, split: Split) -> list[str]:
        """Compare the counts with the facts, and look at every image's file."""
        return [*super().verify(split), *absent_files(self.root, self.files(split))]

    @cached_property
    def _fingerprints(self) -> dict[str, str]:
        return {}
