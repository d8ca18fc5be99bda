"""What the numbers of images of each class and domain tell, before any image is looked at."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ltbench.data.findings import Finding, counted, quoted
from ltbench.plugins.facts import Facts
from ltbench.plugins.split import PARTS, Split

FEW = 5
"""Training images below which a class is hardly learnt."""
ASSOCIATED = 0.5
"""Cramér's V of domains and classes from which one tells much of the other."""
_LITTLE = 0.15
_BALANCED = 1.5  # largest over smallest class up to which classes are about balanced
_SHAPES = {
    "balanced": "the classes are about balanced",
    "step": "the classes are of two sizes",
    "exponential": "the sizes fall about exponentially",
    "power": "the sizes fall about as a power of the rank, a long tail behind a few large classes",
}


def count_findings(facts: Facts, split: Split) -> Iterator[Finding]:
    """Yield what stands out in the numbers of images.

    Args:
        facts: names of classes and domains.
        split: the table.
    """
    train = split.counts("train").sum(axis=0)
    yield from _imbalance(facts, train)
    yield from _parts(facts, split)
    if split.shape[0] > 1:
        yield from _domains(facts, split)


def _imbalance(facts: Facts, train: NDArray[np.int64]) -> Iterator[Finding]:
    """Yield how uneven the classes are, and which are under five training images."""
    there = np.flatnonzero(train)
    if not len(there):
        return
    largest, smallest = there[train[there].argmax()], there[train[there].argmin()]
    ratio, shape = train[largest] / train[smallest], shape_of(train[there])
    yield Finding(
        "imbalance",
        f"The largest class, '{facts.classes[largest]}', has "
        f"{counted(int(train[largest]), 'training image')}, the smallest, "
        f"'{facts.classes[smallest]}', {train[smallest]}: {ratio:.3g} to 1; {_SHAPES[shape]}.",
        details={
            "ratio": float(ratio),
            "shape": shape,
            "training_images": dict(zip(facts.classes, train.tolist(), strict=True)),
        },
    )
    few = [facts.classes[c] for c in there[np.argsort(train[there])] if train[c] < FEW]
    if few:
        yield Finding(
            "few",
            f"{counted(len(few), 'class has', 'classes have')} under {FEW} training images: "
            f"{quoted(few)}. Find more, or expect no method to learn "
            f"{'it' if len(few) == 1 else 'them'}.",
            True,
            {"classes": few},
        )


def shape_of(counts: NDArray[np.int64]) -> str:
    """Return which shape class sizes have: balanced, step, exponential or power.

    It is the one whose curve through the logarithms of the sorted sizes has the least squares.

    Args:
        counts: images of each class, none of them 0, (C,).
    """
    sizes = np.log(np.sort(counts)[::-1].astype(float))
    if sizes[0] - sizes[-1] <= np.log(_BALANCED):
        return "balanced"
    rank = np.arange(len(sizes), dtype=float)
    left = {
        "exponential": _off_line(rank, sizes),
        "power": _off_line(np.log(rank + 1), sizes),
        "step": min(
            float((_spread(sizes[:k]) ** 2).sum() + (_spread(sizes[k:]) ** 2).sum())
            for k in range(1, len(sizes))
        ),
    }
    # Two sizes describe two classes, whatever they are; a curve is told by three.
    if len(sizes) < 3:
        return "step"
    return min(left, key=left.__getitem__)


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values - values.mean()


def _off_line(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return the sum of squares that the best line through points leaves."""
    across, up = _spread(x), _spread(y)
    slope = (across @ up) / (across @ across)
    return float(((up - slope * across) ** 2).sum())


def _parts(facts: Facts, split: Split) -> Iterator[Finding]:
    """Yield which parts are missing, and which classes in them."""
    for part in PARTS:
        counts = split.counts(part).sum(axis=0)
        if not counts.sum():
            yield Finding(f"no-{part}", _ABSENT[part], True)
        elif lacking := [facts.classes[c] for c in np.flatnonzero(counts == 0)]:
            yield Finding(
                "absent",
                f"{counted(len(lacking), 'class has', 'classes have')} no "
                f"{_IMAGES[part]}: {quoted(lacking)}. {_SO[part]}",
                part != "val",
                {"part": part, "classes": lacking},
            )


_IMAGES = {"train": "training images", "val": "validation images", "test": "test images"}
_SO = {
    "train": "Nothing can learn it: add images, or leave the class out.",
    "val": "The model is chosen without it.",
    "test": "Nothing is known of it in the end: add images, or leave the class out.",
}
_ABSENT = {
    "train": "There are no training images: put some in place.",
    "val": "There are no validation images, so that models and settings cannot be chosen but by "
    "the last step: set some training images aside.",
    "test": "There are no test images, so that nothing can be reported: set some aside.",
}


def _domains(facts: Facts, split: Split) -> Iterator[Finding]:
    """Yield in which classes domains differ, and how far one tells the other."""
    counts = sum(split.counts(part) for part in PARTS)
    assert isinstance(counts, np.ndarray)
    there = counts[:, counts.sum(axis=0) > 0]
    for d, domain in enumerate(facts.domains):
        lacking = [
            facts.classes[c] for c in np.flatnonzero((counts[d] == 0) & (counts.sum(axis=0) > 0))
        ]
        if lacking:
            yield Finding(
                "domain",
                f"The domain '{domain}' has no images of "
                f"{counted(len(lacking), 'class', 'classes')}: {quoted(lacking)}. "
                "Their scores there are of no image.",
                details={"domain": domain, "classes": lacking},
            )
    v = cramers_v(there)
    details = {"cramers_v": v, "images": counts.tolist()}
    much = "much" if v >= ASSOCIATED else "something" if v >= _LITTLE else "little"
    sentence = (
        f"The domain tells {much} of the class: Cramér's V is {v:.2f}, where 0 is nothing and 1 "
        "everything."
    )
    if v >= ASSOCIATED:
        sentence += (
            " A network may learn the domain for the class: balance classes within domains, or "
            "test on unseen domains."
        )
    yield Finding("association", sentence, v >= ASSOCIATED, details)


def cramers_v(counts: NDArray[np.int64]) -> float:
    """Return Cramér's V of a table of counts, corrected for its bias, 0…1.

    Source: W. Bergsma, "A bias-correction for Cramér's V and Tschuprow's T", Journal of the Korean
    Statistical Society 42 (2013), 323-328.

    Args:
        counts: (rows, columns), whole numbers; empty rows and columns are left out.
    """
    table = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0].astype(float)
    rows, columns = table.shape
    n = table.sum()
    if min(rows, columns) < 2 or n < 2:
        return 0.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi = ((table - expected) ** 2 / expected).sum() / n
    corrected = max(0.0, phi - (rows - 1) * (columns - 1) / (n - 1))
    least = min(
        rows - (rows - 1) ** 2 / (n - 1),
        columns - (columns - 1) ** 2 / (n - 1),
    )
    return float(min(1.0, np.sqrt(corrected / (least - 1)))) if least > 1 else 0.0
