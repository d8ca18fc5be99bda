"""Test images are found again without opening any but those that are looked at."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ltbench.data.catalogue import open_dataset
from ltbench.data.store import open_store
from ltbench.data.tested_images import Wanted, find_tested_images
from ltbench.plugins.names import Name

OPENED: list[str] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str) and arguments[0].endswith(".png"):
        OPENED.append(arguments[0])


sys.addaudithook(_note)


@pytest.fixture
def wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wanted:
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for domain in ("forest", "town"):
        for label in ("a b", "蛾"):
            folder = tmp_path / "moths" / domain / label
            folder.mkdir(parents=True)
            for i in range(12):
                pixels = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"no {i}.png")
    name = Name("image-folder", {"root": str(tmp_path / "moths")})
    _, split = open_dataset(name, tmp_path)
    rows = split.rows("test")
    return Wanted(name, split.sha256, split.y[rows], split.d[rows], split.images[rows])


def test_no_other_image_is_opened(wanted: Wanted, tmp_path: Path) -> None:
    OPENED.clear()
    found = find_tested_images(wanted, tmp_path)
    assert found.why_not == ""
    assert OPENED == []
    pixels = found.pixels(2)
    names = wanted.names
    assert names is not None
    assert {str(tmp_path / "moths" / names[2])} == {*OPENED}
    assert pixels is not None
    assert (pixels == np.asarray(Image.open(OPENED[0]))).all()


def test_what_was_decoded_is_taken_without_opening_a_file(wanted: Wanted, tmp_path: Path) -> None:
    open_store(*open_dataset(wanted.dataset, tmp_path))
    OPENED.clear()
    pixels = find_tested_images(wanted, tmp_path).pixels(2)
    assert OPENED == []
    assert pixels is not None
    assert pixels.shape[1] * 9 == pytest.approx(pixels.shape[0] * 12, abs=12)
