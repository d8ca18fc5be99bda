"""Planted copies are found, and images of their own are not taken for copies."""

from __future__ import annotations

import time

import numpy as np
import pytest
from photographs import compressed, cropped, mirrored, photograph, scaled
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from ltbench.data.near_duplicates import near_duplicates
from ltbench.data.store import stored_square
from ltbench.data.thumbnails import thumbnail

CHANGES = {
    "compressed": compressed,
    "smaller": scaled,
    "larger": lambda image: scaled(image, 1.7),
    "cropped": cropped,
    "cropped much": lambda image: cropped(image, 0.9, (0, 1)),
    "all": lambda image: compressed(scaled(cropped(image, 0.95)), 60),
}
KINDS = ("photographs", "digits", "tiles")


def thumbnails(images: list[np.ndarray]) -> np.ndarray:
    deep = (image if image.ndim == 3 else image[..., None] for image in images)
    return np.stack([thumbnail(stored_square(image, 64, 3)) for image in deep])


def tiles(side: int = 96) -> list[np.ndarray]:
    """Cut two real photographs into squares, of which none overlap."""
    return [
        whole[y : y + side, x : x + side]
        for whole in load_sample_images()["images"]
        for y in range(0, whole.shape[0] - side + 1, side)
        for x in range(0, whole.shape[1] - side + 1, side)
    ]


@pytest.fixture(scope="module")
def images() -> dict[str, tuple[list[np.ndarray], np.ndarray]]:
    rng = np.random.default_rng(0)
    digits = load_digits()
    small = [
        np.asarray(Image.fromarray((image * 15.9).astype(np.uint8)).resize((28, 28)))
        for image in digits.images[:900]
    ]
    return {
        "photographs": ([photograph(rng) for _ in range(300)], np.arange(300) % 5),
        "digits": (small, digits.target[:900]),
        "tiles": (tiles(), np.arange(48) % 5),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_their_own_are_no_copies(images, kind):
    pictures, classes = images[kind]
    pixels, rows = thumbnails(pictures), np.arange(len(pictures))
    test, train = rows[::4], np.setdiff1d(rows, rows[::4])
    alarms = near_duplicates(pixels, test, train, kinds=classes, mirrored=True)
    assert len(alarms) <= (0.01 * len(test) if kind == "digits" else 0)
    assert near_duplicates(pixels, train, train, classes, kinds=classes) == []


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", KINDS)
def test_planted_copies_are_found(images, kind, change):
    pictures, classes = images[kind]
    count = len(pictures)
    planted = np.arange(0, count, 7)
    copies = [CHANGES[change](pictures[i]) for i in planted]
    pixels = thumbnails([*pictures, *copies])
    kinds = np.concatenate([classes, classes[planted]])
    found = near_duplicates(pixels, np.arange(count, len(pixels)), np.arange(count), kinds=kinds)
    right = sum(planted[pair.first - count] == pair.second for pair in found)
    # Of digits, all of which are alike, a change must be slight to be told from another digit.
    enough = {"photographs": 1.0, "tiles": 0.85, "digits": 0.2}
    assert right >= enough[kind] * len(planted)
    assert len(found) - right <= 0.02 * len(planted)


def test_a_copy_in_another_class_is_found_once_and_in_its_own_is_not(images):
    pictures, classes = images["photographs"]
    pixels = thumbnails([*pictures, compressed(pictures[3]), compressed(pictures[4])])
    labels = np.concatenate([classes, [classes[3] + 1, classes[4]]])
    rows = np.arange(len(pixels))
    pairs = near_duplicates(pixels, rows, rows, labels, kinds=labels)
    assert [{pair.first, pair.second} for pair in pairs] == [{3, 300}]


def test_mirror_images_count_where_they_are_asked_for(images):
    pictures, _ = images["photographs"]
    pixels = thumbnails([*pictures, mirrored(compressed(pictures[5]))])
    ask = pixels, np.array([300]), np.arange(300)
    assert near_duplicates(*ask) == []
    (pair,) = near_duplicates(*ask, mirrored=True)
    assert (pair.second, pair.mirrored) == (5, True)


def test_images_of_one_shade_are_like_none():
    pixels = np.full((4, 32, 32), 90, dtype=np.uint8)
    rows = np.arange(4)
    assert near_duplicates(pixels, rows[:2], rows[2:]) == []
    assert near_duplicates(pixels, rows[:0], rows) == []


def test_the_same_image_twenty_times_over_is_found(images):
    pictures, _ = images["photographs"]
    copies = [compressed(pictures[0], 40 + i) for i in range(20)]
    pixels = thumbnails([*pictures, *copies])
    found = near_duplicates(pixels, np.arange(300, 320), np.arange(300))
    assert {(pair.first, pair.second) for pair in found} == {(i, 0) for i in range(300, 320)}


@pytest.mark.slow
def test_fifty_thousand_images_take_less_than_a_minute_of_cpu():
    rng = np.random.default_rng(0)
    base = np.cumsum(np.cumsum(rng.standard_normal((2000, 32, 32)), axis=1), axis=2)
    base -= base.min(axis=(1, 2), keepdims=True)
    base *= 200 / base.max(axis=(1, 2), keepdims=True)
    noise = rng.integers(0, 50, (50_000, 32, 32))
    pixels = (base[np.arange(50_000) % 2000] + noise).astype(np.uint8)
    classes, train = rng.integers(0, 100, 50_000), np.arange(40_000)
    began = time.process_time()
    near_duplicates(pixels, np.arange(40_000, 50_000), train, kinds=classes)
    near_duplicates(pixels, train, train, classes, kinds=classes)
    assert time.process_time() - began < 50
