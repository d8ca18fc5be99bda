"""What a data set holds, in a few digits; also as a program, so that processes can be compared.

``python -m ltbench.testing.digest NAME FOLDER`` prints them. Nothing here imports torch.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from pathlib import Path

import numpy as np

from ltbench.data.catalogue import create_dataset
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.names import parse_name
from ltbench.plugins.split import Split

SAMPLE = 48


def sample_rows(split: Split, number: int = SAMPLE) -> list[int]:
    """Return rows spread evenly over a split."""
    return sorted(set(np.linspace(0, len(split) - 1, min(number, len(split))).astype(int).tolist()))


def digest(dataset: Dataset) -> dict[str, str]:
    """Return the SHA-256 of the split's table, and of a sample of the images."""
    split = dataset.split()
    decode = dataset.decoder(split)
    images = hashlib.sha256()
    for row in sample_rows(split):
        images.update(np.ascontiguousarray(decode(row)).tobytes())
    return {"split": split.sha256, "images": images.hexdigest()}


def main(text: str, folder: str, seed: str) -> None:
    """Print the digest of a data set by name, with the global generators seeded as told."""
    random.seed(int(seed))
    np.random.seed(int(seed))
    print(json.dumps(digest(create_dataset(parse_name(text), Path(folder)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
