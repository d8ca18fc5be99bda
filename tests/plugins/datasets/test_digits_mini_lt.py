"""``digits-mini-lt``: one domain, embedded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ltbench.data.catalogue import create_dataset
from ltbench.plugins.names import parse_name


def of(text: str, tmp_path: Path):
    dataset = create_dataset(parse_name(text), tmp_path)
    return dataset, dataset.split()


@pytest.mark.parametrize("ratio", [1, 10, 100])
def test_sizes_follow_the_formula(ratio: int, tmp_path: Path) -> None:
    _, split = of(f"digits-mini-lt[ratio={ratio}]", tmp_path)
    expected = [int(300 * (1 / ratio) ** (c / 9) + 1e-9) for c in range(10)]
    assert split.counts("train").tolist() == [expected]
    assert split.counts("val").tolist() == [[50] * 10]
    assert split.counts("test").tolist() == [[100] * 10]


def test_no_image_is_in_two_parts_and_held_out_ones_are_the_same_of_every_profile(tmp_path):
    held = []
    for profile in ("exp", "balanced"):
        _, split = of(f"digits-mini-lt[profile={profile}]", tmp_path)
        numbers = [name.rpartition("/")[2] for name in split.images]
        assert len(set(numbers)) == len(numbers)
        held.append({str(split.images[i]) for p in ("val", "test") for i in split.rows(p)})
    assert held[0] == held[1]
    _, other = of("digits-mini-lt[data_seed=1]", tmp_path)
    assert {str(other.images[i]) for p in ("val", "test") for i in other.rows(p)} != held[0]


def test_the_test_sets_are_those_of_the_long_tail_whatever_trains(tmp_path: Path) -> None:
    for profile in ("exp", "balanced"):
        dataset, split = of(f"digits-mini-lt[profile={profile}]", tmp_path)
        sets = dataset.test_sets(split)
        tail = [max(1, int(100 * 0.01 ** (c / 9) + 1e-9)) for c in range(10)]
        found = {name: np.bincount(split.y[rows], minlength=10) for name, rows in sets.items()}
        assert found["long-tailed"].tolist() == tail
        assert found["head"].tolist() == [*tail[:3], *[0] * 7]
        assert found["middle"].tolist() == [0, 0, 0, *tail[3:6], 0, 0, 0, 0]
        assert found["tail"].tolist() == [*[0] * 6, *tail[6:]]


def test_images_are_the_digits_they_are_said_to_be(tmp_path: Path) -> None:
    """The nearest mean of the training images of a class names four of five test images."""
    dataset, split = of("digits-mini-lt[profile=balanced]", tmp_path)
    decode = dataset.decoder(split)
    assert decode(0).shape == (28, 28, 3)
    train, test = split.rows("train"), split.rows("test")[::5]
    images = {i: decode(i)[:, :, 0].astype(float) for i in (*train, *test)}
    means = [np.mean([images[i] for i in train if split.y[i] == c], axis=0) for c in range(10)]
    guesses = [np.argmin([((images[i] - m) ** 2).sum() for m in means]) for i in test]
    assert np.mean(guesses == split.y[test]) > 0.75
