"""Each point about data sets finds a data set that is wrong in that way."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from ltbench.api import Dataset, Facts, Split
from ltbench.plugins.files import VARIABLE
from ltbench.plugins.manager import get_plugins
from ltbench.testing import check_entry, find_subjects

NUMBERS = {"train": 6, "val": 2, "test": 3}


class Right(Dataset):
    """Two domains of three classes (Source: these tests)."""

    protocol = {"backbone": "digits-cnn", "steps": 5}  # noqa: RUF012
    channels = 3

    @property
    def facts(self) -> Facts:
        return Facts(
            name=self.name,
            title="Noise",
            domains=("a", "b"),
            classes=("x", "y", "z"),
            size=8,
            many=5,
            few=2,
            protocols={"plain": self.protocol},
        )

    def rows(self) -> list[tuple[str, int, int, str]]:
        return [
            (f"{d}/{c}/{part}/{i}", c, d, part)
            for d in range(2)
            for c in range(3)
            for part, number in NUMBERS.items()
            for i in range(number)
        ]

    def split(self) -> Split:
        return Split.from_rows(self.rows(), (2, 3))

    def generator(self, row: int) -> np.random.Generator:
        return np.random.default_rng(row)

    def decoder(self, split):
        def decode(row: int):
            image = self.generator(row).integers(0, 255, (9, 8, self.channels))
            return image.astype(np.uint8)

        return decode


class OneClassTooMany(Right):
    """Has a label that its facts do not name (2026)."""

    def split(self) -> Split:
        right = super().split()
        return Split(right.images, right.y + 1, right.d, right.part, right.shape)


class OtherShape(Right):
    """Says different things of its domains (2026)."""

    def split(self) -> Split:
        return Split.from_rows(self.rows(), (3, 3))


class NamesInTwoParts(Right):
    """Tests on what it trained on (2026)."""

    def rows(self):
        rows = super().rows()
        return [*rows, (rows[0][0], 0, 0, "test")]


class PixelsInTwoParts(Right):
    """Counts its images anew in each part (2026)."""

    def decoder(self, split):
        decode = super().decoder(split)
        return lambda row: decode(int(split.images[row].rpartition("/")[2]))


class NothingToTest(Right):
    """Has no test images (2026)."""

    def rows(self):
        return [row for row in super().rows() if row[3] != "test"]


class DrawsImagesFromNumPy(Right):
    """Has other images with another seed (2026)."""

    def decoder(self, split):
        return lambda row: np.random.randint(0, 255, (8, 8, 3)).astype(np.uint8)


class DrawsImagesFromTorch(Right):
    """Has other images with another seed, the same while it is open (2026)."""

    def decoder(self, split):
        offset = int(torch.randint(1000, ()))
        decode = super().decoder(split)
        return lambda row: decode(row + offset)


class ShufflesItsSplit(Right):
    """Has another split with another seed (2026)."""

    def rows(self):
        rows = super().rows()
        random.shuffle(rows)
        return rows


class ChangesFromLookToLook(Right):
    """Has a generator that goes on (2026)."""

    def decoder(self, split):
        own = np.random.default_rng(0)
        return lambda row: own.integers(0, 255, (8, 8, 3)).astype(np.uint8)


class Greyscale(Right):
    """Has one channel where its facts say three (2026)."""

    channels = 1


class Floats(Right):
    """Has images of floating-point numbers (2026)."""

    def decoder(self, split):
        decode = super().decoder(split)
        return lambda row: decode(row) / 255


class NoBackbone(Right):
    """Has a protocol that names no backbone (2026)."""

    protocol = {"steps": 5}  # noqa: RUF012


class FewerThanExpected(Right):
    """Counts images that are not there (2026)."""

    @property
    def facts(self):
        return Facts(**{**vars(super().facts), "counts": {"a": (18, 6, 10)}})


class NotReady(Right):
    """Lies elsewhere (2026)."""

    def missing(self):
        return "noise is not here: type ltbench data prepare noise"


@pytest.mark.parametrize(
    ("broken", "point", "says"),
    [
        (OneClassTooMany, "labels", "22 images have classes such as 3, and there are only 0 … 2"),
        (
            OtherShape,
            "labels",
            "its split is for (3, 3) domains and classes, its facts name (2, 3)",
        ),
        (NamesInTwoParts, "overlap", "'0/0/train/0' is both a train and a test image"),
        (PixelsInTwoParts, "overlap", "30 of 30 validation and test images"),
        (NothingToTest, "parts", "has no test images"),
        (DrawsImagesFromNumPy, "constant", "its images changed when it was opened again"),
        (DrawsImagesFromTorch, "constant", "its images changed when it was opened again"),
        (ShufflesItsSplit, "constant", "its split changed when it was opened again"),
        (ChangesFromLookToLook, "constant", "changes from one look to the next"),
        (Greyscale, "images", "has the shape (9, 8, 1), not (H, W, 3)"),
        (Floats, "images", "is of float64, not uint8"),
        (NoBackbone, "facts", "its protocol 'plain' names no backbone"),
        (FewerThanExpected, "verify", "where 18/6/10 are expected"),
    ],
)
def test_the_kit_finds_it(ask, broken: type[Dataset], point: str, says: str) -> None:
    result = ask("datasets", broken, point)[point]
    assert result.status == "failed"
    assert says in result.cause


def test_nothing_is_found_where_nothing_is_wrong(ask) -> None:
    failed = [r.cause for r in ask("datasets", Right).values() if r.status == "failed"]
    assert not failed


def test_one_that_is_not_ready_is_not_asked_for_images(ask) -> None:
    results = ask("datasets", NotReady)
    assert not [result for result in results.values() if result.status == "failed"]
    assert results["overlap"].cause == "noise is not here: type ltbench data prepare noise"


PER_PROCESS = '''
import os
from ltbench.api import Dataset
from ltbench.testing import SmallDataset

class PerProcess(SmallDataset):
    """Random images that hang on the process (2026)."""

    def split(self):
        split = super().split()
        order = sorted(range(len(split)), key=lambda i: hash(str(split.images[i])))
        return type(split)(
            split.images[order], split.y[order], split.d[order], split.part[order], split.shape
        )
'''


def test_what_differs_between_processes_is_found(tmp_path, monkeypatch) -> None:
    (tmp_path / "per_process.py").write_text(PER_PROCESS)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "per_process.py"))
    get_plugins.cache_clear()
    ((entry, text),) = find_subjects("per-process")
    results = {result.point.name: result for result in check_entry(entry, text, tmp_path)}
    assert "its split changed in another process" in results["constant"].cause
