"""``terrainc-mlt``: the images of Caltech Camera Traps, arranged by location and animal."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ltbench.api import DataError, UsageError, read_file
from ltbench_datasets.domain_folders import DomainFolders


class TerraIncognita(DomainFolders):
    """Four locations of Caltech Camera Traps (Beery et al., ECCV 2018).

    The archives hold one folder of all images and annotations in the COCO format; preparing links
    the images of the four locations and ten animals into ``location/animal`` folders.
    """

    def arrange(self, report: Callable[[str], None]) -> None:
        """Link the images into domain and class folders, by the annotations."""
        if self.missing() is None:
            return
        images = self.data_dir / self.facts.details["layout"]["images"]
        if not images.is_dir():
            raise DataError(f"the archives did not give the folder {images}")
        # The folders of the locations appear when all is in them: a killed command leaves none.
        stage, count, absent = self.root / ".arranging", 0, 0
        with _writable(self.root):
            shutil.rmtree(stage, ignore_errors=True)
            for location, animal, file in _sightings(_annotations(self.data_dir)):
                domain, source = f"location_{location}", images / Path(file).name
                wanted = domain in self.facts.domains and animal in self.facts.classes
                target = stage / domain / animal / source.name
                absent += wanted and not source.exists()
                if wanted and source.exists() and not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    _link(source, target)
                    count += 1
            for folder in sorted(stage.glob("*")):
                if not (self.root / folder.name).exists():
                    folder.rename(self.root / folder.name)
            shutil.rmtree(stage, ignore_errors=True)
        report(f"{count} images arranged in {self.root}")
        if absent:
            report(f"{absent} images that the annotations name are not in {images}")


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system knows no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@contextlib.contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from error


def _annotations(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the COCO tables that the archives hold."""
    found = sorted(
        {*folder.glob("eccv_18_annotation*/*.json"), *folder.glob("caltech_images*.json")}
    )
    if not found:
        raise DataError(f"there are no annotations in {folder / 'eccv_18_annotation_files'}")
    for path in found:
        try:
            yield json.loads(read_file(path))
        except (ValueError, RecursionError) as error:
            raise DataError(f"the annotations {path} cannot be read: {error}") from error


def _sightings(tables: Iterator[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Yield location, animal and file name of every annotation."""
    for table in tables:
        try:
            animals = {entry["id"]: str(entry["name"]) for entry in table["categories"]}
            images = {entry["id"]: entry for entry in table["images"]}
            for entry in table["annotations"]:
                image = images[entry["image_id"]]
                yield (
                    str(image["location"]),
                    animals[entry["category_id"]],
                    str(image["file_name"]),
                )
        except (KeyError, TypeError) as error:
            raise DataError(f"the camera traps' annotations lack {error}") from error
