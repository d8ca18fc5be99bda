from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltbench.data.sampling import joined, make_sampler
from ltbench.errors import DataError, PluginError
from ltbench.plugins.split import Split


def table(counts: list[list[int]]) -> Split:
    rows = [
        (f"{d}-{c}-{i}", c, d, "train")
        for d, row in enumerate(counts)
        for c, n in enumerate(row)
        for i in range(n)
    ]
    return Split.from_rows([*rows, ("t", 0, 0, "test")], (len(counts), len(counts[0])))


tables = st.lists(
    st.lists(st.integers(0, 7), min_size=3, max_size=3), min_size=1, max_size=3
).filter(lambda counts: sum(map(sum, counts)) > 0)
kinds = st.sampled_from(["uniform", "class-balanced", "reversed"])


@settings(max_examples=60)
@given(tables, kinds, st.integers(1, 9), st.integers(0, 5), st.integers(0, 50))
def test_batches(counts, kind: str, batch: int, seed: int, step: int) -> None:
    split = table(counts)
    rows = make_sampler(kind, split, batch, seed)(step)
    there = [d for d, row in enumerate(counts) if sum(row)]
    assert split.d[rows].tolist() == [d for d in there for _ in range(batch)]
    assert (split.part[rows] == 0).all()
    # A resumed run asks a fresh sampler for a late step first.
    assert (make_sampler(kind, split, batch, seed)(step) == rows).all()


@settings(max_examples=40)
@given(tables, st.integers(1, 9), st.integers(0, 5))
def test_every_image_is_seen_once_an_epoch(counts, batch: int, seed: int) -> None:
    split = table(counts)
    sampler = make_sampler("uniform", split, batch, seed)
    for d, n in enumerate(map(sum, counts)):
        if not n:  # a domain without training images has no epochs
            continue
        drawn = np.concatenate([sampler(step) for step in range(2 * n)])
        walk = drawn[split.d[drawn] == d]
        for epoch in range(2 * batch):
            part = walk[epoch * n : (epoch + 1) * n]
            assert sorted(part) == sorted(np.flatnonzero((split.d == d) & (split.part == 0)))


def test_seeds_and_epochs_differ() -> None:
    split = table([[50, 50, 50]])
    a, b = (make_sampler("uniform", split, 150, seed) for seed in (0, 1))
    assert (a(0) != b(0)).any()
    assert (a(0) != a(1)).any()


def test_class_balanced_draws_classes_evenly() -> None:
    split = table([[300, 30, 3], [5, 0, 50]])
    sampler = make_sampler("class-balanced", split, 400, 0)
    rows = np.concatenate([sampler(step) for step in range(20)])
    first = rows[split.d[rows] == 0]
    shares = np.bincount(split.y[first], minlength=3) / len(first)
    assert np.abs(shares - 1 / 3).max() < 0.02
    second = split.y[rows[split.d[rows] == 1]]
    assert np.abs(np.bincount(second, minlength=3) / len(second) - [0.5, 0, 0.5]).max() < 0.02
    # Within a class the images come evenly.
    few = np.bincount(first[split.y[first] == 2])
    assert few[few > 0].size == 3
    assert few.max() / few[few > 0].min() < 1.2


def test_reversed_draws_classes_by_one_over_their_images() -> None:
    split = table([[300, 30, 3], [5, 0, 50]])
    sampler = make_sampler("reversed", split, 400, 0)
    rows = np.concatenate([sampler(step) for step in range(20)])
    for d, expected in enumerate([[1 / 300, 1 / 30, 1 / 3], [1 / 5, 0, 1 / 50]]):
        y = split.y[rows[split.d[rows] == d]]
        shares = np.bincount(y, minlength=3) / len(y)
        assert np.abs(shares - np.array(expected) / sum(expected)).max() < 0.02
    rare = rows[(split.d[rows] == 0) & (split.y[rows] == 2)]
    assert np.bincount(rare)[np.unique(rare)].min() > len(rare) / 3.3


def test_joined_samplers_stand_behind_one_another() -> None:
    split = table([[30, 3], [5, 5]])
    first, second = (make_sampler(kind, split, 4, 0) for kind in ("uniform", "reversed"))
    both = joined([first, second])
    assert both(3).tolist() == [*first(3), *second(3)]
    assert joined([first]) is first


def test_errors() -> None:
    with pytest.raises(PluginError, match="use 'uniform' or 'class-balanced'"):
        make_sampler("random", table([[1, 1]]), 1, 0)
    with pytest.raises(DataError, match="no training image"):
        make_sampler("uniform", Split.from_rows([("t", 0, 0, "test")], (1, 1)), 1, 0)
