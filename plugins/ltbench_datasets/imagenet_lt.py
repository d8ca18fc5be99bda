"""``imagenet-lt``: ImageNet by the list files of Liu et al. (CVPR 2019)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.api import (
    PARTS,
    DataError,
    Dataset,
    Decode,
    Facts,
    Split,
    SplitOrigin,
    absent_files,
    fetch_sources,
    files_fingerprint,
    read_file,
    read_image,
    wrong_files,
)


class ImageNetLT(Dataset):
    """Long-tailed ImageNet: lists ``path label`` for training, validation and test.

    The lists lie in the folder of ImageNet's ``train`` and ``val`` folders, beside it, or in the
    folder of the data sets. The validation images of ImageNet, which are the test set here, may
    lie flat or in class folders.
    """

    @cached_property
    def facts(self) -> Facts:
        """The registry's facts; the classes bear ImageNet's synset names where the lists do."""
        base = super().facts
        if self._lists is None:
            return base
        classes = list(base.classes)
        for name, label in self._rows("train"):
            folder = PurePosixPath(name).parent.name
            if folder.startswith("n") and folder[1:].isdigit() and label < len(classes):
                classes[label] = folder
        return dataclasses.replace(base, classes=tuple(classes))

    @cached_property
    def root(self) -> Path:
        """The folder of ImageNet, or the one where it should be."""
        candidates = [self.data_dir / name for name in super().facts.details["layout"]["folders"]]
        there = [path for path in [*candidates, self.data_dir] if (path / "train").is_dir()]
        return there[0] if there else candidates[0]

    def missing(self) -> str | None:
        """Say that the images, which nobody may pass on, or the lists are not there."""
        folder = self.root
        facts = super().facts
        lists = [facts.details["layout"][part] for part in PARTS]
        if not (folder / "train").is_dir():
            return (
                f"imagenet-lt is not on this machine: get ImageNet (ILSVRC 2012) at image-net.org, "
                f"and put its training images at {folder}/train/<synset>/ and its validation "
                f"images at {folder}/val/, then type 'ltbench data prepare imagenet-lt'"
            )
        if self._lists is None:
            urls = {s["file"]: s["urls"][0] for s in facts.sources if s.get("urls")}
            places = [f"{name} ({urls[name]})" if name in urls else name for name in lists]
            return (
                f"the lists of imagenet-lt are not there: type 'ltbench data prepare imagenet-lt', "
                f"or put {', '.join(places)} of Liu et al. (CVPR 2019) by hand into {folder}"
            )
        return None

    def prepare(self, report: Callable[[str], None]) -> None:
        """Download the lists; the images have to be put there by hand, or it says where."""
        if (self.root / "train").is_dir() and self._lists is None:
            # Not beside the images, which often lie where nobody may write.
            fetch_sources(self.facts.sources, self.data_dir, report)
            for name in ("_lists", "facts"):
                self.__dict__.pop(name, None)
        if cause := self.missing():
            raise DataError(cause)

    def split(self) -> Split:
        """Return the table of the lists."""
        classes = len(self.facts.classes)
        rows = []
        for part in PARTS:
            for name, label in self._rows(part):
                if not 0 <= label < classes:
                    raise DataError(f"the {part} list names the class {label} of {classes}")
                rows.append((name, label, 0, part))
        return Split.from_rows(rows, (1, classes))

    def split_origin(self, split: Split) -> SplitOrigin:
        """Say which lists made the split, and whether they are those that first came."""
        try:
            wrong = wrong_files(self._known_lists())
        except DataError as error:  # of the record that holds the checksums
            wrong = [str(error)]
        if wrong:
            return SplitOrigin("split of other lists", wrong[0])
        folders = dict.fromkeys(str(path.parent) for path in (self._lists or {}).values())
        return SplitOrigin("official split", f"the lists in {', '.join(folders)}")

    def decoder(self, split: Split) -> Decode:
        """Return the function that reads image ``i`` from its file."""
        files = self._files(split)

        def decode(i: int) -> NDArray[np.uint8]:
            return read_image(self.root / files[i], self.facts.channels)

        return decode

    def image_files(self, split: Split) -> list[str]:
        """Return every image's file."""
        return [f"{self.root}/{name}" for name in self._files(split)]

    def fingerprint(self, split: Split) -> str:
        """Return text that changes with any file's size or time."""
        return files_fingerprint(self.root, self._files(split))

    def verify(self, split: Split) -> list[str]:
        """Compare the counts and the lists with what is known of them, and look at every image."""
        absent = absent_files(self.root, self._files(split))
        return [*super().verify(split), *wrong_files(self._known_lists()), *absent]

    def _known_lists(self) -> list[tuple[Path, dict[str, Any]]]:
        """Return the lists that are there, with what is known of them."""
        lists = {path.name: path for path in (self._lists or {}).values()}
        return [(lists[s["file"]], s) for s in self.facts.sources if s["file"] in lists]

    @cached_property
    def _lists(self) -> dict[str, Path] | None:
        names = super().facts.details["layout"]
        places = (self.root, self.root.parent, self.root / "ImageNet_LT", self.data_dir)
        found = {
            part: next((p / names[part] for p in places if (p / names[part]).is_file()), None)
            for part in PARTS
        }
        there = {part: path for part, path in found.items() if path is not None}
        return there if len(there) == len(PARTS) else None

    def _rows(self, part: str) -> list[tuple[str, int]]:
        if self._lists is None:
            raise DataError(self.missing() or f"the {part} list is not there")
        path, rows = self._lists[part], []
        try:
            lines = read_file(path).decode().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"the list {path} cannot be read: {error}") from error
        for number, line in enumerate(lines, start=1):
            name, _, label = line.strip().rpartition(" ")
            inside = name.isprintable() and not name.startswith("/") and ".." not in name.split("/")
            is_number = label.isascii() and label.isdigit() and len(label) < 10
            if line.strip() and not (name and inside and is_number):
                raise DataError(f"{path}, line {number}: '{line[:80]}' is not 'path label'")
            if line.strip():
                rows.append((name, int(label)))
        return rows

    def _files(self, split: Split) -> list[str]:
        """Return the paths below the root; flat validation images may lie in class folders."""
        flat = not any((self.root / "val").glob("n*/"))
        files = []
        for name, y in zip(split.images.tolist(), split.y.tolist(), strict=True):
            parts = name.split("/")
            if parts[0] == "val" and len(parts) == 2 and not flat:
                parts.insert(1, self.facts.classes[y])
            elif parts[0] == "val" and len(parts) == 3 and flat:
                del parts[1]
            files.append("/".join(parts))
        return files
