"""Writes tiny Places-LT and iNaturalist 2018 in the exact formats in which they are published."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

SCENES = ["airfield", "airplane_cabin", "apartment_building-outdoor"]
SPECIES = [("Plantae", 0), ("Insecta", 1), ("Aves", 2), ("Plantae", 3)]


def write_places(root: Path, write_image: Callable, *, flat: bool = False) -> None:
    """Write Places365's folders and the three lists; its validation images lie flat or not."""
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for c, scene in enumerate(SCENES):
        for i in range(8 - 2 * c):
            name = f"train/{scene}/{i + 1:08d}.jpg"
            write_image(root / name)
            lists["val" if i == 0 else "train"].append(f"{name} {c}")
        for i in range(2):
            file = f"Places365_val_{c * 100 + i:08d}.jpg"
            write_image(root / "val" / ("" if flat else scene) / file)
            lists["test"].append(f"val/{scene}/{file} {c}")
    for part, lines in lists.items():
        (root / f"Places_LT_{part}.txt").write_text("\n".join(lines) + "\n")


def inat_tables() -> dict[str, dict[str, Any]]:
    """Return what the competition's two files of annotations hold, of a few images."""
    tables, number = {}, 0
    categories = [
        {
            "id": c, "name": f"{c:04d}", "supercategory": group, "kingdom": "Obfuscated",
            "phylum": "p", "class": "c", "order": "o", "family": "f", "genus": "g",
        }
        for group, c in SPECIES
    ]  # fmt: skip
    for part, sizes in (("train", (7, 4, 2, 2)), ("val", (3, 3, 3, 3))):
        images, annotations = [], []
        for (group, c), size in zip(SPECIES, sizes, strict=True):
            for _ in range(size):
                number += 1
                file = f"train_val2018/{group}/{c}/{number:032x}.jpg"
                images.append(
                    {
                        "id": number, "width": 800, "height": 600, "file_name": file,
                        "license": 3, "rights_holder": "Zoë Müller",
                    }
                )  # fmt: skip
                annotations.append({"id": number, "image_id": number, "category_id": c})
        info = {"year": 2018, "version": "1", "description": "", "url": "", "contributor": ""}
        tables[part] = {
            "info": info, "images": images, "categories": categories,
            "annotations": annotations, "licenses": [{"id": 3, "name": "CC", "url": ""}],
        }  # fmt: skip
    return tables


def write_inat(root: Path, write_image: Callable, kind: str) -> None:
    """Write the images and the annotations (``json``), or the lists made of them (``lists``)."""
    for part, table in inat_tables().items():
        for image in table["images"]:
            write_image(root / image["file_name"])
        if kind == "json":
            (root / f"{part}2018.json").write_text(json.dumps(table))
            continue
        pairs = zip(table["images"], table["annotations"], strict=True)
        lines = [f"{image['file_name']} {one['category_id']}\n" for image, one in pairs]
        (root / f"iNaturalist18_{part}.txt").write_text("".join(lines))
