from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ltbench.data import store
from ltbench.data.cache import cached_images, remove_cached
from ltbench.data.store import is_cached, open_store, store_folder, stored_size
from ltbench.data.store_files import ImageStore
from ltbench.errors import DataError, UsageError


def test_images_are_stored_as_pillow_resizes_them(make_noise) -> None:
    noise = make_noise()
    found = open_store(noise, noise.split())
    for i in (0, 7, 29):
        image = Image.fromarray(noise.pixels(i)).resize((8, 8), Image.Resampling.BILINEAR)
        assert (found.images[i] == np.asarray(image).transpose(2, 0, 1)).all()
        assert found.sizes[i].tolist() == list(noise.pixels(i).shape[:2])


def test_images_are_decoded_once(make_noise) -> None:
    noise = make_noise(count=200)
    seen: list[tuple[int, int]] = []
    first = open_store(noise, noise.split(), lambda done, total: seen.append((done, total)))
    again = open_store(noise, noise.split())
    assert sorted(noise.decoded) == list(range(200))
    assert (first.images == again.images).all()
    assert seen[-1] == (200, 200)
    assert len(seen) == 4


def test_another_source_has_another_store(make_noise) -> None:
    old, new, larger = make_noise(), make_noise(version="2"), make_noise(size=9)
    folders = {store_folder(n, n.split()) for n in (old, new, larger)}
    assert len(folders) == 3
    open_store(old, old.split())
    assert not is_cached(new, new.split())


def test_domains_that_are_kept_from_training_are_stored(make_noise) -> None:
    noise = make_noise()
    split = replace(noise.split(), held_out=1)
    assert open_store(noise, split).split.held_out == 1
    assert ImageStore.load(store_folder(noise, split)).split.held_out == 1
    # Tables that differ in nothing else have the same SHA-256, and do not share a store.
    assert open_store(noise, noise.split()).split.held_out == 0


@pytest.mark.parametrize(("size", "stored"), [(28, 28), (32, 32), (64, 96), (224, 288), (384, 480)])
def test_stored_images_leave_room_for_crops(make_noise, size: int, stored: int) -> None:
    assert stored_size(make_noise(size=size).facts) == stored


def test_the_smallest_square_crop_is_not_enlarged(make_noise) -> None:
    assert 0.7**0.5 * stored_size(make_noise(size=224).facts) >= 224


def test_a_broken_image_is_named_and_leaves_nothing(make_noise) -> None:
    noise = make_noise()
    noise.broken = {17}
    with pytest.raises(DataError, match=r"17\.png cannot be read"):
        open_store(noise, noise.split())
    assert not is_cached(noise, noise.split())
    assert cached_images() == []


def test_builders_at_once_decode_once(make_noise) -> None:
    noise = make_noise(count=300)
    threads = [threading.Thread(target=open_store, args=(noise, noise.split())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(noise.decoded) == 300


SLOW_BUILD = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from ltbench.data.catalogue import open_dataset
    from ltbench.data.store import open_store
    from ltbench.plugins.names import Name

    dataset, split = open_dataset(Name("digits-mini-mlt"), Path("unused"))
    draw = dataset.decoder(split)
    dataset.decoder = lambda split: lambda i: (time.sleep(float(sys.argv[1])), draw(i))[1]
    print("building", flush=True)
    print(len(open_store(dataset, split).images), flush=True)
""")


def _builder(seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SLOW_BUILD, str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_killed_build_is_never_mistaken_for_a_store(tmp_path: Path) -> None:
    killed = _builder(0.05)
    images = tmp_path / "cache" / "images"
    deadline = time.monotonic() + 120
    while not list(images.glob("*.building-*/images.npy")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    (left,) = cached_images()
    assert not left.finished
    # The next builder is not held up by the dead one's lock, and clears what it left.
    following = _builder(0)
    assert following.communicate()[0].split() == ["building", "3328"]
    (built,) = cached_images()
    assert built.finished
    assert built.dataset == "digits-mini-mlt"


def test_a_full_disk_is_one_sentence(make_noise, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.os, "posix_fallocate", full)
    noise = make_noise()
    with pytest.raises(UsageError, match="No space left on device; free some space or set LTB"):
        open_store(noise, noise.split())
    assert cached_images() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system can be mounted by root alone")
def test_a_disk_that_is_really_full(make_noise, tmp_path: Path, monkeypatch) -> None:
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    mounted = subprocess.run(command, check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        monkeypatch.setenv("LTBENCH_CACHE", str(small))
        noise = make_noise(size=32, count=100)
        with pytest.raises(UsageError, match="No space left"):
            open_store(noise, noise.split())
        assert cached_images() == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_cache_folder_that_is_a_file(make_noise, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    noise = make_noise()
    with pytest.raises(UsageError, match="set LTBENCH_CACHE"):
        open_store(noise, noise.split())


def test_an_open_store_outlives_its_removal(make_noise) -> None:
    noise = make_noise()
    found = open_store(noise, noise.split())
    assert [entry.dataset for entry in remove_cached("noise")] == ["noise"]
    assert found.images[3].sum() > 0
    assert cached_images() == []
    with pytest.raises(UsageError, match="no images of 'noise' are cached"):
        remove_cached("noise")
    assert remove_cached(None) == []


def test_decoded_images_cannot_be_written(make_noise) -> None:
    noise = make_noise()
    found = open_store(noise, noise.split())
    with pytest.raises(ValueError, match="read-only"):
        found.images[0] = 0
