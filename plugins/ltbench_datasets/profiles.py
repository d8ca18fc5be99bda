"""Leaves out training images of a data set until its classes have a long-tailed shape."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ltbench.api import PARTS, PROFILES, HParams, Split, class_sizes, hparam, pair_generator

AS_IS = "as-is"


class ProfileParameters(HParams):
    """Parameters by which a data set with a split of its own is given another shape."""

    profile: str = hparam(
        AS_IS,
        choices=(AS_IS, *PROFILES),
        later=True,
        help="leave out training images until the classes of each domain have this shape",
    )
    ratio: float = hparam(
        100.0, low=1.0, later=True, help="largest class over smallest, for a profile"
    )
    data_seed: int = hparam(0, low=0, later=True, help="chooses what is left out")


def with_profile(split: Split, rule: Any, domains: Sequence[str], classes: Sequence[str]) -> Split:
    """Return a split without the training images that a profile has no place for.

    In each domain the class with most training images comes first in the profile, then the next. A
    class that has fewer images than its place asks for keeps them all; one that has any keeps at
    least one. Which are kept is drawn of the sorted names, for each domain and class alone.

    Args:
        split: the whole one.
        rule: hyper-parameters ``profile``, ``ratio`` and ``data_seed``.
        domains: names that the draws depend on.
        classes: the same of the classes.
    """
    if rule.profile == AS_IS:
        return split
    train = split.rows("train")
    ordered = train[np.lexsort((split.images[train], split.y[train], split.d[train]))]
    kept = split.part != PARTS.index("train")
    for d, domain in enumerate(domains):
        rows = ordered[split.d[ordered] == d]
        found, starts, counts = np.unique(split.y[rows], return_index=True, return_counts=True)
        if not len(found):
            continue
        pairs = {classes[c]: rows[s : s + n] for c, s, n in zip(found, starts, counts, strict=True)}
        labels = sorted(pairs, key=lambda label: (-len(pairs[label]), label))
        sizes = class_sizes(rule.profile, int(counts.max()), 1 / rule.ratio, len(labels))
        for label, size in zip(labels, sizes, strict=True):
            generator = pair_generator(rule.data_seed, "profile", domain, label)
            order = generator.permutation(len(pairs[label]))
            kept[pairs[label][order[: max(1, int(size))]]] = True
    columns = {name: getattr(split, name)[kept] for name in ("images", "y", "d", "part")}
    return dataclasses.replace(split, **columns)
