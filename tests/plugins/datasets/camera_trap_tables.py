"""Writes a tiny iWildCam of WILDS v2 in the exact format in which it is published."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

HEAD = [
    "", "split", "location_remapped", "location", "sequence_remapped", "sequence", "y",
    "category_id", "datetime", "filename", "image_id",
]  # fmt: skip
# Where images are from (WILDS's number of the location) and which part they are in.
PLACES = {
    5: ["train", "train", "id_val", "id_test"],
    0: ["train", "train", "train", "id_val", "id_test"],
    3: ["val", "val"],
    2: ["test", "test", "test"],
    4: ["train", "train"],
    1: ["test"],
}


def write_iwildcam(root: Path, write_image: Callable, classes: int = 3) -> None:
    """Write ``metadata.csv``, ``categories.csv`` and the images in ``train``."""
    rows, number = [], 0
    for place, parts in PLACES.items():
        for part in parts:
            y = number % classes
            file = f"8b{number:04x}7a-21bc-11ea-a13a-137349068a90.jpg"
            if not (root / "train" / file).exists():
                write_image(root / "train" / file)
            when = "2013-10-04 13:31:53.000"
            rows.append(
                [number, part, place, place + 100, 7, "30048d32", y, y + 370, when, file, file[:-4]]
            )
            number += 1
    root.mkdir(parents=True, exist_ok=True)
    with (root / "metadata.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([HEAD, *rows])
    names = ["empty", "panthera onca", "tapirus bairdii"]
    table = [[370 + c, name, c] for c, name in enumerate(names)] + [[999, "nobody", 99999]]
    with (root / "categories.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["category_id", "name", "y"], *table])
    (root / "RELEASE_v2.0.txt").write_text("")
