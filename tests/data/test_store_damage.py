"""A store that was cut, changed or lost a file is noticed, and decoded anew with a line."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ltbench.data.cache import cached_images
from ltbench.data.device_images import DeviceImages
from ltbench.data.store import is_cached, open_planned, open_store, repaired, store_folder
from ltbench.data.store_files import DamagedStore, ImageStore
from ltbench.errors import DataError, UsageError

FILES = ("images.npy", "sizes.npy", "split.npz", "rows.npy", "checksums.json")
CPU = torch.device("cpu")


@pytest.fixture
def opened(make_noise: Callable) -> tuple:
    noise = make_noise()
    split = noise.split()
    store = open_store(noise, split)
    return noise, split, store.images.copy(), store_folder(noise, split)


@pytest.mark.parametrize("name", FILES)
def test_any_bit_that_turns_changes_nothing(
    opened: tuple, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    noise, split, images, folder = opened
    content = (folder / name).read_bytes()
    rng, everything, noticed = np.random.default_rng(14), np.arange(len(split)), 0
    for _ in range(60):
        changed = bytearray(content)
        changed[int(rng.integers(0, len(content)))] ^= 1 << int(rng.integers(0, 8))
        (folder / name).write_bytes(changed)
        found = open_store(noise, split, rows=everything)
        assert (found.images == images).all()
        assert found.split.sha256 == split.sha256
        assert (found.sizes[:3] == [[6, 9], [7, 10], [8, 11]]).all()
        noticed += (folder / name).read_bytes() == content
    assert noticed > 40
    assert "the images of noise are decoded anew" in capsys.readouterr().err
    assert [entry.finished for entry in cached_images()] == [True]


@pytest.mark.parametrize("left", [0, 1, 60, 130, None])
@pytest.mark.parametrize("name", FILES)
def test_a_store_that_was_cut_is_built_anew(
    opened: tuple, name: str, left: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    noise, split, images, folder = opened
    if left is None:
        (folder / name).unlink()
    else:
        os.truncate(folder / name, min(left, (folder / name).stat().st_size - 1))
    assert not is_cached(noise, split)
    found = open_planned(folder, noise)
    assert (found.images == images).all()
    (line,) = capsys.readouterr().err.splitlines()
    assert str(folder) in line
    assert line.endswith("the images of noise are decoded anew")
    assert is_cached(noise, split)
    before = len(noise.decoded)
    open_store(noise, split)
    assert len(noise.decoded) == before


def test_something_else_in_the_stores_place(opened: tuple) -> None:
    noise, split, images, folder = opened
    for what in ("file", "empty folder"):
        shutil.rmtree(folder)
        folder.write_text("x") if what == "file" else folder.mkdir()
        assert (open_store(noise, split).images == images).all()
    assert len(cached_images()) == 1


def test_images_are_compared_when_they_are_first_read(opened: tuple) -> None:
    noise, split, images, folder = opened
    damage(folder, row=7)
    found = open_store(noise, split)
    assert len(noise.decoded) == len(split)  # opened without a look at all of them
    found.check(np.array([6, 8, 8]))
    with pytest.raises(DamagedStore, match="image 7 is not as it was written"):
        found.check(np.array([6, 7]))
    assert (found.images[6] == images[6]).all()


def damage(folder: Path, row: int) -> None:
    content = bytearray((folder / "images.npy").read_bytes())
    content[128 + row * 3 * 8 * 8 + 5] ^= 16
    (folder / "images.npy").write_bytes(content)


def test_batches_are_what_they_were_before_the_damage(
    opened: tuple, capsys: pytest.CaptureFixture[str]
) -> None:
    noise, split, images, folder = opened
    store = open_planned(folder, noise)
    device = DeviceImages(store, CPU, lambda rows: repaired(store, noise, rows))
    rows = np.array([3, 7, 3])
    device.gather(np.array([1, 2]))
    damage(folder, row=7)
    pixels, _ = device.gather(rows)
    assert (pixels.numpy() == images[rows]).all()
    assert "image 7 is not as it was written" in capsys.readouterr().err
    pixels, _ = device.gather(np.arange(len(split)))
    assert (pixels.numpy() == images).all()


def test_what_is_moved_to_an_accelerator_is_compared_before(
    opened: tuple, capsys: pytest.CaptureFixture[str]
) -> None:
    noise, _, images, folder = opened
    damage(folder, row=7)
    store = ImageStore.load(folder)
    moved = DeviceImages(store, torch.device("meta"), lambda rows: repaired(store, noise, rows))
    assert moved.images.device.type == "meta"
    assert (moved.store.images == images).all()
    assert "image 7 is not as it was written" in capsys.readouterr().err
    damage(folder, row=8)
    with pytest.raises(DataError, match="image 8 is not as it was written: 'ltbench data cache c"):
        DeviceImages(ImageStore.load(folder), torch.device("meta"))


def test_other_files_than_the_run_began_with_are_not_taken(opened: tuple) -> None:
    noise, _, _, folder = opened
    damage(folder, row=9)
    store = ImageStore.load(folder)
    noise.version = "2"
    device = DeviceImages(store, CPU, lambda rows: repaired(store, noise, rows))
    with pytest.raises(DataError, match=r"damaged, and the files of noise have changed since"):
        device.gather(np.array([9]))


def test_several_find_the_damage_and_one_builds(opened: tuple) -> None:
    noise, split, images, folder = opened
    damage(folder, row=7)
    before, found = len(noise.decoded), []
    everything = np.arange(len(split))

    def read() -> None:
        found.append((open_store(noise, split, rows=everything).images == images).all())

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4
    assert len(noise.decoded) == before + len(split)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_store_of_somebody_else_is_left_alone(opened: tuple) -> None:
    noise, split, _, folder = opened
    (folder / "images.npy").chmod(0)
    with pytest.raises(UsageError, match="Permission denied; mend that, or set LTBENCH_CACHE"):
        open_store(noise, split)
    assert folder.exists()


def test_what_cannot_be_opened_is_no_damage(opened: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    noise, split, _, folder = opened

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(np, "load", refused)
    with pytest.raises(UsageError, match="Permission denied; mend that, or set LTBENCH_CACHE"):
        open_store(noise, split)
    assert json.loads((folder / "checksums.json").read_text())["images"] == [30, 3, 8, 8]
