"""The same images are the same wherever they lie, and others are others whatever they claim."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ltbench.api import DataError
from ltbench.data.content import check_content, content_sha256
from ltbench.data.locations import cache_folder
from ltbench.data.store import open_store, store_folder


@pytest.fixture
def make_files(make_noise: Callable, tmp_path: Path) -> Callable:
    """Return a function that gives a data set whose images are files of a folder."""

    def make(folder: str = "images", count: int = 6):
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        dataset = make_noise(count=count)
        files = [str(place / f"{i}.png") for i in range(count)]
        for i, name in enumerate(files):
            if not os.path.exists(name):
                Path(name).write_bytes(bytes([i]) * 9)
        dataset.image_files = lambda split: files
        dataset.fingerprint = lambda split: repr([os.stat(f).st_ctime_ns for f in files])
        return dataset

    return make


def test_it_is_the_hash_of_the_files_hashes_in_order(make_files: Callable) -> None:
    dataset = make_files()
    expected = hashlib.sha256()
    for i in range(6):
        expected.update(hashlib.sha256(bytes([i]) * 9).digest())
    assert content_sha256(dataset, dataset.split()) == expected.hexdigest()


def test_place_and_time_do_not_count_and_a_byte_does(make_files: Callable, tmp_path: Path) -> None:
    first = make_files("a")
    found = content_sha256(first, first.split())
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    os.utime(tmp_path / "b" / "0.png", (1, 1))
    copy = make_files("b")
    assert content_sha256(copy, copy.split()) == found
    assert store_folder(copy, copy.split()) == store_folder(first, first.split())
    changed = tmp_path / "b" / "5.png"
    times = changed.stat()
    changed.write_bytes(bytes([5]) * 8 + b"x")
    os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a careful copy does
    edited = make_files("b")
    assert content_sha256(edited, edited.split()) != found
    assert store_folder(edited, edited.split()) != store_folder(first, first.split())


def test_swapped_images_are_others(make_files: Callable, tmp_path: Path) -> None:
    dataset = make_files()
    before = content_sha256(dataset, dataset.split())
    a, b, c = (tmp_path / "images" / name for name in ("0.png", "1.png", "c"))
    a.rename(c), b.rename(a), c.rename(b)
    again = make_files()
    assert content_sha256(again, again.split()) != before


def test_files_are_read_once_as_long_as_nothing_changes(
    make_files: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_files()
    told: list[tuple[int, int]] = []
    found = content_sha256(dataset, dataset.split(), lambda *told_: told.append(told_))
    assert told == [(6, 6)]
    monkeypatch.setattr(hashlib, "file_digest", None)
    again = make_files()
    assert content_sha256(again, again.split()) == found


def test_a_damaged_memory_is_not_believed(make_files: Callable) -> None:
    dataset = make_files()
    found = content_sha256(dataset, dataset.split())
    (kept,) = (cache_folder() / "contents").iterdir()
    text = kept.read_bytes()
    for damaged in (b"", text[:-1], bytes([text[0] ^ 1]) + text[1:], b"\xff" * 80):
        kept.write_bytes(damaged)
        again = make_files()
        assert content_sha256(again, again.split()) == found
        assert kept.read_bytes() == text


def test_what_cannot_be_read_is_named(make_files: Callable, tmp_path: Path) -> None:
    dataset = make_files()
    split = dataset.split()
    content_sha256(dataset, split)
    (tmp_path / "images" / "2.png").unlink()
    with pytest.raises(DataError, match=r"2\.png cannot be read: No such file"):
        check_content(dataset, split)
    os.mkfifo(tmp_path / "images" / "2.png")
    with pytest.raises(DataError, match=r"2\.png cannot be read: it is not a regular file"):
        content_sha256(make_files(), split)


def test_no_store_is_built_of_images_that_change_meanwhile(
    make_files: Callable, tmp_path: Path
) -> None:
    dataset = make_files()
    split = dataset.split()
    content_sha256(dataset, split)
    (tmp_path / "images" / "3.png").write_bytes(b"another")
    with pytest.raises(DataError, match="were changed while they were read: type the command"):
        open_store(dataset, split)
    assert not list((cache_folder() / "images").glob("noise-*[0-9a-f]/images.npy"))


def test_a_data_set_without_files_has_none(make_noise: Callable) -> None:
    dataset = make_noise()
    assert content_sha256(dataset, dataset.split()) == ""
    assert not (cache_folder() / "contents").exists()
