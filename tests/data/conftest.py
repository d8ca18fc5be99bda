"""Caches stay in the test's folder; a small data set counts how often it is decoded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ltbench.api import DataError, Dataset, Decode, Facts, HParams, Split

sys.path.insert(0, str(Path(__file__).parent))


class Noise(Dataset):
    """Random images of several sizes, drawn from their number; records every decode."""

    def __init__(self, data_dir: Path, size: int = 8, version: str = "1", count: int = 30) -> None:
        super().__init__("noise", HParams.from_options({}, "noise"), data_dir)
        self.size, self.version, self.count = size, version, count
        self.decoded: list[int] = []
        self.broken: set[int] = set()

    @property
    def facts(self) -> Facts:
        return Facts("noise", "", ("a", "b"), ("x", "y", "z"), self.size, 5, 2, {})

    def split(self) -> Split:
        parts = ("train", "train", "val", "test")
        rows = [(f"{i}.png", i % 3, i % 2, parts[i % 4]) for i in range(self.count)]
        return Split.from_rows(rows, (2, 3))

    def pixels(self, i: int) -> np.ndarray:
        height, width = 6 + i % 5, 9 + i % 3
        return np.random.default_rng(i).integers(0, 256, (height, width, 3), dtype=np.uint8)

    def decoder(self, split: Split) -> Decode:
        def decode(i: int) -> np.ndarray:
            if i in self.broken:
                raise DataError(f"the image {split.images[i]} cannot be read: it is broken")
            self.decoded.append(i)
            return self.pixels(i)

        return decode

    def fingerprint(self, split: Split) -> str:
        return self.version


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LTBENCH_DATA", str(tmp_path / "data"))


@pytest.fixture
def make_noise(tmp_path: Path) -> Callable[..., Noise]:
    return lambda **options: Noise(tmp_path, **options)
