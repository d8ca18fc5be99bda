"""Makes a data set of plenty long-tailed: which images of each class train, validate and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltbench.api import PROFILES, DataError, UsageError, pair_generator

Labels = NDArray[np.int64]
Row = tuple[str, int, int, str]
LETTERS = dict(zip("esbij", PROFILES, strict=True))
PROFILE_HELP = (
    "a letter, or one for each domain: exponential, step, balanced; i and j are the inverses of "
    "e and s"
)


def lettered_profiles(name: str, letters: str, domains: Sequence[str]) -> list[str]:
    """Return the profile of each domain.

    Args:
        name: of the data set, for the error.
        letters: one of :data:`LETTERS`, or one for each domain.
        domains: their names.

    Raises:
        UsageError: there are too few letters, too many or other ones.
    """
    if len(letters) not in (1, len(domains)) or not set(letters) <= LETTERS.keys():
        raise UsageError(
            f"{name}[profile={letters}] is not possible: give one letter of e, s, b, i, j or "
            f"{len(domains)} of them, one for each of {', '.join(domains)}"
        )
    each = letters if len(letters) > 1 else letters * len(domains)
    return [LETTERS[letter] for letter in each]


@dataclass(frozen=True)
class Quota:
    """How many images of each class are wanted of one domain.

    Attributes:
        train: per class, (C,).
        val: of every class, from the images that are meant for training.
        test: of every class, from the images that are meant for testing; ``None`` is all.
    """

    train: NDArray[np.int64]
    val: int
    test: int | None


def domain_rows(
    labels: Mapping[str, Labels], quota: Quota, domain: int, data_seed: int, name: str
) -> list[Row]:
    """Return the rows of one domain: class by class training, validation, then test images.

    The images of a class stand in an order that the data seed shuffles; validation takes the last
    ones, so that it is the same whatever the profile, and training the first.

    Args:
        labels: classes of the source's ``train`` and ``test`` images.
        quota: how many are wanted.
        domain: index of the domain.
        data_seed: the data set's seed.
        name: of the domain; images are called ``<name>/<train or test>/<number>``.

    Raises:
        DataError: the source has too few images of a class.
    """
    rows: list[Row] = []
    for c, train in enumerate(quota.train):
        pool = _shuffled(labels["train"], c, data_seed, name, "train")
        rest = _shuffled(labels["test"], c, data_seed, name, "test")
        test = len(rest) if quota.test is None else quota.test
        if len(pool) < train + quota.val or len(rest) < test:
            raise DataError(
                f"'{name}' has {len(pool)} training and {len(rest)} test images of class {c} where "
                f"{train + quota.val} and {test} are wanted: ask for fewer, or prepare it anew"
            )
        rows += [(f"{name}/train/{i}", c, domain, "train") for i in pool[:train]]
        rows += [(f"{name}/train/{i}", c, domain, "val") for i in pool[len(pool) - quota.val :]]
        rows += [(f"{name}/test/{i}", c, domain, "test") for i in rest[:test]]
    return rows


def _shuffled(labels: Labels, c: int, data_seed: int, *keys: str) -> Labels:
    found = np.flatnonzero(labels == c)
    return found[pair_generator(data_seed, *keys, str(c)).permutation(len(found))]
