"""Policies draw what torchvision's transforms of the same names draw, as often."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from ltbench_augmentations.autoaugment import AutoAugment
from ltbench_augmentations.operations import OPERATIONS
from ltbench_augmentations.policies import POLICIES, read_policy
from ltbench_augmentations.randaugment import RandAugment
from ltbench_augmentations.trivialaugment import TrivialAugment
from scipy import stats
from torchvision.transforms import AutoAugmentPolicy, v2

OURS, THEIRS = 60_000, 6_000
THEIR_NAMES = {one.replace("-", ""): one for one in OPERATIONS}
WITHOUT_MAGNITUDE = ("identity", "autocontrast", "equalize", "invert")
Drawn = tuple[tuple[str, float], ...]


def rounded(name: str, magnitude: float) -> tuple[str, float]:
    """Name a drawn operation; torchvision cuts shifts off to whole pixels when it applies them.

    Its steps are in float32, so that a whole number may be a little less there.
    """
    whole = "translate" in name or name == "posterize"
    value = 0.0 if name in WITHOUT_MAGNITUDE else float(magnitude)
    return name, float(int(value + math.copysign(1e-4, value))) if whole else round(value, 4) + 0.0


def ours(augmentation: Any, n: int = OURS) -> list[Drawn]:
    operations, magnitudes = augmentation.draw(n, torch.Generator().manual_seed(0))
    return [
        tuple(rounded(OPERATIONS[k], m) for k, m in zip(*pair, strict=True))
        for pair in zip(operations.tolist(), magnitudes.tolist(), strict=True)
    ]


def theirs(transform: Any, side: int, monkeypatch: pytest.MonkeyPatch) -> list[Drawn]:
    """Return what torchvision would have applied to images."""
    torch.manual_seed(0)
    noted: list[tuple[str, float]] = []

    def note(image: Any, name: str, magnitude: float, **_: Any) -> Any:
        noted.append(rounded(THEIR_NAMES[name.lower()], magnitude))
        return image

    monkeypatch.setattr(transform, "_apply_image_or_video_transform", note)
    image, found = torch.zeros(3, side, side, dtype=torch.uint8), []
    for _ in range(THEIRS):
        noted.clear()
        transform(image)
        found.append(tuple(noted))
    return found


def same(one: list[Any], other: list[Any]) -> float:
    """Return the p-value of the chi-square test that two samples are of one distribution.

    What is rare in both is one cell.
    """
    counts, others = Counter(one), Counter(other)
    rare = {k for k in counts | others if counts[k] + others[k] < 80}
    kept = sorted((counts.keys() | others.keys()) - rare, key=repr)
    rows = np.array([[c[k] for k in kept] + [sum(c[k] for k in rare)] for c in (counts, others)])
    rows = rows[:, rows.sum(0) > 0]
    assert rows.shape[1] > 2
    return float(stats.chi2_contingency(rows).pvalue)


def plain(drawn: list[Drawn]) -> list[Any]:
    return [one for pair in drawn for one in pair]


@pytest.mark.parametrize(("m", "side"), [(9, 32), (10, 224), (30, 50), (0, 32)])
def test_randaugment_draws_as_torchvision(m, side, monkeypatch) -> None:
    augmentation = RandAugment(RandAugment.HParams(n=2, m=m), (3, side, side))
    transform = v2.RandAugment(num_ops=2, magnitude=m)
    one, other = ours(augmentation), theirs(transform, side, monkeypatch)
    assert {len(pair) for pair in one} == {2}
    assert set(plain(one)) == set(plain(other))
    assert same(plain(one), plain(other)) > 1e-3
    # The operations of an image are drawn with replacement, one without regard to the other.
    assert same([(a[0], b[0]) for a, b in one], [(a[0], b[0]) for a, b in other]) > 1e-3


def test_randaugment_has_as_many_operations_as_asked_for() -> None:
    for n in (1, 3, 10):
        augmentation = RandAugment(RandAugment.HParams(n=n), (3, 32, 32))
        assert {len(drawn) for drawn in ours(augmentation, 50)} == {n}


@pytest.mark.parametrize("side", [32, 224])
def test_trivialaugment_draws_as_torchvision(side, monkeypatch) -> None:
    one = ours(TrivialAugment(TrivialAugment.HParams(), (3, side, side)))
    other = theirs(v2.TrivialAugmentWide(), side, monkeypatch)
    assert {len(pair) for pair in one} == {1}
    assert same([a[0] for (a,) in one], [a[0] for (a,) in other]) > 1e-3
    assert set(plain(other)) <= set(plain(one))
    for name in {a[0] for (a,) in one} - set(WITHOUT_MAGNITUDE):
        pair = ([a[1] for (a,) in drawn if a[0] == name] for drawn in (one, other))
        assert stats.ks_2samp(*pair).pvalue > 1e-4, name


@pytest.mark.parametrize("policy", list(POLICIES))
def test_autoaugment_draws_as_torchvision(policy, monkeypatch) -> None:
    augmentation = AutoAugment(AutoAugment.HParams(policy=policy), (3, 32, 32))
    transform = v2.AutoAugment(AutoAugmentPolicy(policy))
    done = [tuple(one for one in pair if one[0] != "identity") for pair in ours(augmentation)]
    other = theirs(transform, 32, monkeypatch)
    assert same(done, other) > 1e-3
    assert same(list(map(len, done)), list(map(len, other))) > 1e-3


@pytest.mark.parametrize("policy", list(POLICIES))
def test_the_tables_of_autoaugment(policy) -> None:
    found = v2.AutoAugment(AutoAugmentPolicy(policy))._policies
    assert [
        tuple((THEIR_NAMES[name.lower()], p, m or 0) for name, p, m in pair) for pair in found
    ] == [tuple(pair) for pair in read_policy(POLICIES[policy])]


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda drawn: [d for i, d in enumerate(drawn) if d[0] != "rotate" or i % 2],
        lambda drawn: [(name, abs(m)) for name, m in drawn],
        lambda drawn: [*drawn, *[d for d in drawn if d[0] == "color"][: len(drawn) // 40]],
    ],
)
def test_draws_that_are_wrong_would_be_noticed(spoiled: Callable[..., Any], monkeypatch) -> None:
    drawn = plain(ours(RandAugment(RandAugment.HParams(), (3, 32, 32))))
    other = plain(theirs(v2.RandAugment(), 32, monkeypatch))
    assert same(spoiled(drawn), other) < 1e-3
