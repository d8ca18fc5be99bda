from __future__ import annotations

import hashlib
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltbench.data.splits import class_sizes, exponential_profile, hold_out, pair_generator
from ltbench.errors import UsageError
from ltbench.plugins.split import PARTS, Split

NAMES = [f"img_{i:03d}.jpg" for i in range(100)]


@given(
    n=st.integers(0, 90), val=st.integers(0, 30), test=st.integers(0, 60), seed=st.integers(0, 99)
)
def test_the_quota_rule(n: int, val: int, test: int, seed: int) -> None:
    parts = hold_out(NAMES[:n], val, test, pair_generator(seed, "d", "c"))
    found = [sum(part == name for part in parts.values()) for name in PARTS]
    k = min(n, val + test)
    in_val = k * val // (val + test) if k else 0
    assert found == [n - k, in_val, k - in_val]


@given(n=st.integers(0, 90))
def test_a_third_of_what_is_held_out_validates(n: int) -> None:
    parts = list(hold_out(NAMES[:n], 15, 30, pair_generator(0, "d", "c")).values())
    assert parts.count("val") == min(n, 45) // 3


def test_the_order_of_the_names_does_not_matter() -> None:
    shuffled = random.Random(3).sample(NAMES, len(NAMES))
    a, b = (hold_out(names, 5, 10, pair_generator(0, "d", "c")) for names in (NAMES, shuffled))
    assert a == b


def test_seed_domain_and_class_all_change_the_draw() -> None:
    keys = [(0, "d", "c"), (1, "d", "c"), (0, "e", "c"), (0, "d", "e"), (0, "dc", "")]
    draws = {tuple(pair_generator(seed, *rest).permutation(50)) for seed, *rest in keys}
    assert len(draws) == len(keys)


def test_the_split_is_the_same_on_every_machine() -> None:
    parts = hold_out(NAMES[:20], 2, 4, pair_generator(0, "photo", "dog"))
    text = "".join(f"{name}{part}" for name, part in sorted(parts.items()))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "08edd5cb8749a039"


def test_keep_leaves_a_share_for_training() -> None:
    parts = hold_out(NAMES[:9], 5, 10, pair_generator(0, "d", "c"), keep=0.5)
    assert list(parts.values()).count("train") == 5


@pytest.mark.parametrize(
    ("largest", "ratio", "classes", "images"),
    [
        (500, 10, 100, 19573),
        (500, 50, 100, 12608),
        (500, 100, 100, 10847),
        (5000, 100, 10, 12406),
        (1000, 100, 10, 2478),
        (450, 100, 100, 9754),
    ],
)
def test_exponential_counts(largest: int, ratio: int, classes: int, images: int) -> None:
    sizes = exponential_profile(largest, 1 / ratio, classes)
    assert sizes.sum() == images
    assert (sizes[0], sizes[-1]) == (largest, largest // ratio)


@given(st.integers(1, 5000), st.integers(1, 500), st.integers(1, 200))
def test_profiles_fall_and_are_mirrored(largest: int, ratio: int, classes: int) -> None:
    for shape in ("exp", "step"):
        sizes = class_sizes(shape, largest, 1 / ratio, classes)
        assert (np.diff(sizes) <= 0).all()
        assert sizes[0] == largest
        assert (class_sizes(f"{shape}-inverse", largest, 1 / ratio, classes) == sizes[::-1]).all()
    assert (class_sizes("balanced", largest, 1 / ratio, classes) == largest).all()


def test_step_has_two_levels() -> None:
    assert class_sizes("step", 1000, 0.01, 10).tolist() == [1000] * 5 + [10] * 5


def test_an_unknown_profile_is_named() -> None:
    with pytest.raises(UsageError, match="did you mean 'step'"):
        class_sizes("stepp", 10, 0.1, 3)


def test_the_checksum_of_a_table_is_that_of_its_lines() -> None:
    rows = [("a/ü.jpg", 0, 1, "train"), ("b.jpg", 2, 0, "val"), ("c.jpg", 1, 1, "test")]
    text = "".join(f"{image}\t{y}\t{d}\t{part}\n" for image, y, d, part in rows)
    assert Split.from_rows(rows, (2, 3)).sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_a_table_comes_back_from_its_file(tmp_path) -> None:
    split = Split.from_rows([("a/ü.jpg", 0, 1, "train"), ("b", 2, 0, "val")], (2, 3))
    split.save(tmp_path / "split.npz")
    found = Split.load(tmp_path / "split.npz")
    assert (found.sha256, found.shape) == (split.sha256, (2, 3))
    assert found.counts("train").tolist() == [[0, 0, 0], [1, 0, 0]]
