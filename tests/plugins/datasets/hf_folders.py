"""Folders in the Hugging Face format, as the library ``datasets`` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ltbench.data.catalogue import open_dataset
from ltbench.plugins.names import parse_name

datasets = pytest.importorskip("datasets")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

MOTHS = ["Noctua pronuba", "Autographa gamma", "Deilephila elpenor"]


def picture(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def rows(sizes: tuple[int, ...], first: int = 0) -> Any:
    """Return a data set of as many images of each class, with the site of each as text."""
    labels = [c for c, size in enumerate(sizes) for _ in range(size)]
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=MOTHS),
            "site": datasets.Value("string"),
        }
    )
    columns = {
        "image": [picture(first + i) for i in range(len(labels))],
        "label": labels,
        "site": [("wood", "heath")[i % 2] for i in range(len(labels))],
    }
    return datasets.Dataset.from_dict(columns, features=features)


def parts() -> Any:
    found = {
        "train": rows((9, 5, 3)),
        "validation": rows((2, 2, 2), 50),
        "test": rows((3, 3, 3), 90),
    }
    return datasets.DatasetDict(found)


def written(root: Path, kind: str) -> None:
    """Write the three splits in one of the forms."""
    if kind == "save_to_disk":
        parts().save_to_disk(root, num_shards={"train": 2, "validation": 1, "test": 1})
        return
    for split, found in parts().items():
        for shard in range(2):
            name = {
                "hub": f"data/{split}-{shard:05d}-of-00002.parquet",
                "converted": f"default/{split}/{shard:04d}.parquet",
                "plain": f"{split}_{shard}.parquet",
            }[kind]
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            found.shard(2, shard).to_parquet(root / name, batch_size=3)
    (root / "README.md").write_text("---\nlicense: cc0-1.0\n---\n")


def opened(text: str, data_dir: Path) -> Any:
    return open_dataset(parse_name(text), data_dir)
