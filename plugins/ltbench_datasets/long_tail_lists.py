"""The data sets of the literature on long tails whose parts are published lists."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from ltbench.api import (
    PARTS,
    DataError,
    Facts,
    HParams,
    Split,
    SplitOrigin,
    fetch_sources,
    where_to_put,
    wrong_files,
)
from ltbench_datasets.file_images import FileImages
from ltbench_datasets.list_files import Labelled, check_classes, check_once, read_list
from ltbench_datasets.profiles import ProfileParameters, with_profile


class LongTailLists(FileImages):
    """Images of one domain, and a list ``path label`` for each part.

    The facts' ``layout`` says how the folder may be called (``folders``), what it holds when the
    images are there (``images``), the lists' names (``train``, ``val``, ``test``) and, where nobody
    may pass the images on, what has to be done ``by_hand``. The lists lie in the folder, beside it,
    or in the folder of the data sets.
    """

    HParams: ClassVar[type[HParams]] = ProfileParameters

    @property
    def facts(self) -> Facts:
        """The registry's facts, with the classes' names where the lists tell them."""
        return self._named

    @cached_property
    def registered(self) -> Facts:
        """The registry's facts alone."""
        return super().facts

    @cached_property
    def root(self) -> Path:
        """The folder of the images, or the one where it should be."""
        layout = self._layout
        candidates = [self.data_dir / name for name in layout["folders"]]
        places = [*candidates, self.data_dir]
        there = [path for path in places if (path / layout["images"]).is_dir()]
        return there[0] if there else candidates[0]

    def missing(self) -> str | None:
        """Say that the images, which perhaps nobody may pass on, or the lists are not there."""
        if not self._has_images():
            return self._no_images()
        return None if self._has_lists() else self._no_lists()

    def prepare(self, report: Callable[[str], None]) -> None:
        """Download what may be downloaded; what has to be put there by hand, it says where."""
        if not self._has_images() and self._archives:
            fetch_sources(self._archives, self.data_dir, report)
            self._look_again()
        if self._has_images() and not self._has_lists():
            # Not beside the images, which often lie where nobody may write.
            fetch_sources(self._list_sources, self.data_dir, report)
            self._look_again()
        if cause := self.missing():
            raise DataError(cause)

    def split(self) -> Split:
        """Return the table of the lists."""
        classes = len(self.registered.classes)
        rows = []
        for part, listed in self._parts().items():
            check_classes(listed, classes, f"the {part} list")
            rows += [(name, label, 0, part) for name, label in listed]
        check_once((name for name, *_ in rows), f"the lists of {self.name}")
        split = Split.from_rows(rows, (1, classes))
        # By the numbers of the classes, which are the same whether their names are known or not.
        numbers = [str(c) for c in range(classes)]
        return with_profile(split, self.hparams, self.facts.domains, numbers)

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

    def verify(self, split: Split) -> list[str]:
        """Compare the counts and the lists with what is known of them, and look at every image."""
        return [*super().verify(split), *wrong_files(self._known_lists())]

    def is_class_name(self, folder: str) -> bool:
        """Return whether the folder of an image may be the name of its class; no number is."""
        return bool(folder) and not folder.isdigit() and folder not in PARTS

    @property
    def _layout(self) -> dict[str, Any]:
        return dict(self.registered.details["layout"])

    @cached_property
    def _named(self) -> Facts:
        base = self.registered
        if not self._has_lists():
            return base
        names = self._class_names()
        classes = tuple(names.get(c, known) for c, known in enumerate(base.classes))
        return dataclasses.replace(base, classes=classes)

    def _class_names(self) -> dict[int, str]:
        """Return what the classes are called, as far as it is known: here by their folders.

        Raises:
            DataError: the list cannot be read.
        """
        names = {label: PurePosixPath(name).parent.name for name, label in self._rows("train")}
        found = {label: name for label, name in names.items() if self.is_class_name(name)}
        return found if len(set(found.values())) == len(found) else {}

    @property
    def _list_names(self) -> dict[str, str]:
        """The lists' names by part."""
        return {part: self._layout[part] for part in PARTS if part in self._layout}

    @property
    def _archives(self) -> list[dict[str, Any]]:
        """The sources of the images, where these may be downloaded."""
        names = self._layout.get("archives", ())
        return [source for source in self.registered.sources if source["file"] in names]

    @property
    def _list_sources(self) -> list[dict[str, Any]]:
        """The other sources."""
        return [source for source in self.registered.sources if source not in self._archives]

    def _has_images(self) -> bool:
        return (self.root / self._layout["images"]).is_dir()

    def _has_lists(self) -> bool:
        return self._lists is not None

    def _no_images(self) -> str:
        layout = self._layout
        if "by_hand" not in layout:
            return where_to_put(self.registered, self.root / layout["images"], self.name)
        how = layout["by_hand"].replace("{folder}", str(self.root))
        return (
            f"{self.name} is not on this machine: {how}, then type 'ltbench data prepare "
            f"{self.name}'"
        )

    def _no_lists(self) -> str:
        urls = {s["file"]: s["urls"][0] for s in self.registered.sources if s.get("urls")}
        names = self._list_names.values()
        places = [f"{name} ({urls[name]})" if name in urls else name for name in names]
        return (
            f"the lists of {self.name} are not there: type 'ltbench data prepare {self.name}', or "
            f"put {', '.join(places)} by hand into {self.root}"
        )

    def _look_again(self) -> None:
        """Forget what has been seen of the folders."""
        for name in ("root", "_lists", "_named", "_listed"):
            self.__dict__.pop(name, None)

    def _known_lists(self) -> list[tuple[Path, dict[str, Any]]]:
        """Return the lists that are there, with what is known of them."""
        lists = {path.name: path for path in (self._lists or {}).values()}
        return [(lists[s["file"]], s) for s in self.registered.sources if s["file"] in lists]

    @cached_property
    def _lists(self) -> dict[str, Path] | None:
        names = self._list_names
        folder = self.root
        own = self._layout["folders"]
        places = [folder, folder.parent, *(folder / name for name in own), self.data_dir]
        places += [self.data_dir / name for name in own]
        found = {
            part: next((p / name for p in places if (p / name).is_file()), None)
            for part, name in names.items()
        }
        there = {part: path for part, path in found.items() if path is not None}
        return there if len(there) == len(names) else None

    def _parts(self) -> dict[str, Labelled]:
        """Return the images of each part, as they are listed."""
        if self._lists is None:
            raise DataError(self.missing() or f"the lists of {self.name} are not there")
        return {part: self._rows(part) for part in self._lists}

    def _rows(self, part: str) -> Labelled:
        if part not in self._listed:
            self._listed[part] = read_list((self._lists or {})[part])
        return self._listed[part]

    @cached_property
    def _listed(self) -> dict[str, Labelled]:
        return {}


class FlatValidation(LongTailLists):
    """A data set that tests on the images of a folder ``val``, flat there or in class folders.

    The list may name them either way.
    """

    def files(self, split: Split) -> list[str]:
        """Return the paths below the root, with the class's folder where the images lie in one."""
        flat = not any(path.is_dir() for path in (self.root / "val").glob("[!.]*"))
        names = self.facts.classes
        files = []
        for name, y in zip(split.images.tolist(), split.y.tolist(), strict=True):
            parts = name.split("/") if name.startswith("val/") else []
            if len(parts) == 2 and not flat:
                files.append(f"val/{names[y]}/{parts[1]}")
            elif len(parts) == 3 and flat:
                files.append(f"val/{parts[2]}")
            else:
                files.append(name)
        return files
