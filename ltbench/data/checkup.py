"""A look at a data set before anything is trained on it: what stands out, and what needs doing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.data.class_counts import count_findings
from ltbench.data.findings import Finding, counted, quoted, share
from ltbench.data.near_duplicates import Pair, near_duplicates
from ltbench.data.thumbnails import Progress, Thumbnails, blank, read_thumbnails
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.facts import Facts
from ltbench.plugins.split import PARTS, Split

KINDS = (
    "imbalance", "few", "no-train", "no-val", "no-test", "absent", "domain", "association",
    "unreadable", "blank", "test-duplicates", "class-duplicates", "small", "shape", "grey",
)  # fmt: skip
"""What findings are about."""

LONG = 3.0
"""Long side over short side from which an image is much changed when it is made a square."""
_SHOWN = 3  # pairs in a sentence

Bar = Callable[[str], AbstractContextManager[Progress]]
"""Opens a bar with a title, which takes how much is done, and of how much."""


def check_dataset(
    dataset: Dataset,
    split: Split,
    *,
    images: bool = True,
    mirrored: bool = False,
    bar: Bar | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> list[Finding]:
    """Return what stands out in a data set, in the order of :data:`KINDS`.

    Args:
        dataset: the data set; its files are there.
        split: its table.
        images: whether images are looked at, or their numbers alone. They are looked at in the
            decoded store where it is built, else in their files; nothing is written.
        mirrored: whether an image and its mirror image count as nearly the same.
        bar: shows how far the work is.
        say: takes what libraries say of an image while it is decoded.

    Raises:
        DataError: facts cannot be had of files that are missing.
    """
    facts = dataset.facts
    findings = list(count_findings(facts, split))
    if images and len(split):
        show = bar or _silent
        with show(f"Reading {dataset.name}") as progress:
            seen = read_thumbnails(dataset, split, progress, say)
        findings += _broken(seen, split)
        findings += _duplicates(facts, split, seen, mirrored, show)
        findings += _sizes(facts, seen)
        findings += _grey(facts, split, seen)
    return findings


@contextlib.contextmanager
def _silent(title: str) -> Iterator[Progress]:
    yield lambda done, total: None


def _broken(seen: Thumbnails, split: Split) -> Iterator[Finding]:
    """Yield images that cannot be decoded, and those that show nothing."""
    if causes := [seen.unreadable[row] for row in sorted(seen.unreadable)]:
        more = f" ('ltbench data verify NAME --images' lists all {len(causes)})"
        yield Finding(
            "unreadable",
            f"{counted(len(causes), 'image')} cannot be read and would stop training; "
            f"{causes[0]}{more if len(causes) > 1 else ''}. Replace or remove "
            f"{'it' if len(causes) == 1 else 'them'}.",
            True,
            {"causes": causes},
        )
    empty = [row for row in np.flatnonzero(blank(seen.pixels)) if row not in seen.unreadable]
    if empty:
        names = [str(split.images[row]) for row in empty]
        yield Finding(
            "blank",
            f"{counted(len(names), 'image is', 'images are')} of a single shade: {quoted(names)}. "
            "Look at them, and remove those that show nothing.",
            True,
            {"images": names},
        )


def _duplicates(
    facts: Facts, split: Split, seen: Thumbnails, mirrored: bool, bar: Bar
) -> Iterator[Finding]:
    """Yield images that are in two parts, and those that are in two classes."""
    readable = np.ones(len(split), dtype=np.bool_)
    readable[list(seen.unreadable)] = False
    test = np.flatnonzero(readable & (split.part == PARTS.index("test")))
    learnt = np.flatnonzero(readable & np.isin(split.part, [0, 1]))
    train = np.flatnonzero(readable & (split.part == PARTS.index("train")))
    kinds = split.d * split.shape[1] + split.y
    with bar("Comparing test images with the others") as progress:
        pairs = near_duplicates(
            seen.pixels, test, learnt, kinds=kinds, mirrored=mirrored, progress=progress
        )
    if pairs:
        yield Finding(
            "test-duplicates",
            f"{counted(len(pairs), 'test image is', 'test images are')} nearly the same as a "
            f"training or validation image: {_shown(pairs, split)}. Scores on such are too high: "
            "remove one of each two, or put both into the same part.",
            True,
            {"test_images": len(test), "pairs": _listed(pairs, split, facts)},
        )
    with bar("Comparing training images across classes") as progress:
        pairs = near_duplicates(
            seen.pixels, train, train, split.y, kinds=kinds, mirrored=mirrored, progress=progress
        )
    if pairs:
        yield Finding(
            "class-duplicates",
            f"{counted(len(pairs), 'pair')} of training images nearly the same "
            f"{'is' if len(pairs) == 1 else 'are'} in two classes: {_shown(pairs, split)}. One "
            "label of each pair is wrong, or the image shows both: decide, and remove the other.",
            True,
            {"pairs": _listed(pairs, split, facts)},
        )


def _shown(pairs: list[Pair], split: Split) -> str:
    """Return the likest pairs by name."""
    likest = sorted(pairs, key=lambda pair: (-pair.likeness, pair.first))[:_SHOWN]
    names = ", ".join(
        f"'{split.images[pair.first]}' and '{split.images[pair.second]}'"
        f"{' mirrored' * pair.mirrored}"
        for pair in likest
    )
    more = len(pairs) - len(likest)
    return f"{names}, and {more} more" if more else names


def _listed(pairs: list[Pair], split: Split, facts: Facts) -> list[dict[str, Any]]:
    def image(row: int) -> dict[str, str]:
        return {
            "image": str(split.images[row]),
            "class": facts.classes[split.y[row]],
            "domain": facts.domains[split.d[row]],
            "part": PARTS[split.part[row]],
        }

    return [
        {
            "first": image(pair.first),
            "second": image(pair.second),
            "likeness": round(pair.likeness, 4),
            "mirrored": pair.mirrored,
        }
        for pair in pairs
    ]


def _sizes(facts: Facts, seen: Thumbnails) -> Iterator[Finding]:
    """Yield images that have fewer pixels than the network sees, and those that are very long."""
    sizes = seen.sizes[seen.sizes.min(axis=1) > 0]
    if not len(sizes):
        return
    short, long = sizes.min(axis=1), sizes.max(axis=1)
    if small := int((short < facts.size).sum()):
        yield Finding(
            "small",
            f"{counted(small, 'image')} of {len(sizes)} ({share(small, len(sizes))}) "
            f"{'is' if small == 1 else 'are'} smaller than the {facts.size} pixels that the "
            f"network sees, and enlarged; the median side is {np.median(short):.0f}, the least "
            f"{short.min()}. A smaller --image-size is faster and loses little.",
            details={"images": small, "size": facts.size, "median_side": float(np.median(short))},
        )
    stretched = int((long >= LONG * short).sum())
    if stretched:
        yield Finding(
            "shape",
            f"{counted(stretched, 'image')} of {len(sizes)} ({share(stretched, len(sizes))}) "
            f"{'is' if stretched == 1 else 'are'} {LONG:g} or more times as long as wide (up to "
            f"{(long / short).max():.1f}), and squeezed much to a square: crop what matters.",
            details={"images": stretched, "longest": float((long / short).max())},
        )


def _grey(facts: Facts, split: Split, seen: Thumbnails) -> Iterator[Finding]:
    """Yield grey images among colour ones, and whether the class goes with it."""
    readable = seen.sizes.min(axis=1) > 0
    grey = seen.grey & readable & ~blank(seen.pixels)
    number, whole = int(grey.sum()), int(readable.sum())
    if facts.channels == 1 or not 0 < number < whole:
        return
    of_class = _by_class(grey, split)
    wholly = (of_class > 0) & (of_class == np.bincount(split.y, minlength=len(of_class)))
    all_grey = [facts.classes[c] for c in np.flatnonzero(wholly)]
    told = f" All of {quoted(all_grey)} are: a network may learn just that." if all_grey else ""
    yield Finding(
        "grey",
        f"{counted(number, 'image')} of {whole} ({share(number, whole)}) "
        f"{'is' if number == 1 else 'are'} grey among colour ones.{told}",
        bool(all_grey),
        {
            "images": [str(name) for name in split.images[grey]],
            "classes": dict(zip(facts.classes, of_class.tolist(), strict=True)),
        },
    )


def _by_class(chosen: NDArray[np.bool_], split: Split) -> NDArray[np.int64]:
    return np.bincount(split.y[chosen], minlength=split.shape[1])
