"""Rules that turn lists of images into train, validation and test parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ltbench.errors import UsageError, suggestion
from ltbench.plugins.split import PARTS

PROFILES = ("exp", "step", "balanced", "exp-inverse", "step-inverse")
"""Shapes of a training set; see :func:`class_sizes`."""


def pair_generator(data_seed: int, *keys: str) -> np.random.Generator:
    """Return a generator that depends on the data seed and the keys alone.

    Args:
        data_seed: the data set's seed; never a run's.
        keys: what is drawn for, for example a domain's and a class's name.
    """
    digest = hashlib.sha256("\0".join((str(data_seed), *keys)).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def hold_out(
    names: Iterable[str], val: int, test: int, generator: np.random.Generator, keep: float = 0.0
) -> dict[str, str]:
    """Split the images of one domain-class pair by the field's quota rule.

    With n images and the quota q = val + test, k = min(n, q) images are held out: of a shuffle of
    the *sorted* names the first k * val // q go to validation and the rest of k to test (the MDLT
    data sets have test = 2 val, hence k // 3); what remains trains.

    Args:
        names: the images of the pair, in any order.
        val, test: images wanted for validation and test.
        generator: draws the shuffle.
        keep: share of the pair that is never held out, 0…1; 0 is the field's rule.

    Returns:
        ``train``, ``val`` or ``test`` by name.
    """
    ordered = sorted(names)
    parts = quota_parts(len(ordered), val, test, generator, keep)
    return {name: PARTS[part] for name, part in zip(ordered, parts.tolist(), strict=True)}


def quota_parts(
    count: int, val: int, test: int, generator: np.random.Generator, keep: float = 0.0
) -> NDArray[np.int64]:
    """Return the parts of one domain-class pair's images, sorted by name, (``count``,).

    The rule is that of :func:`hold_out`, for callers with too many images for a dictionary.

    Args:
        count: images of the pair.
        val, test: images wanted for validation and test.
        generator: draws the shuffle.
        keep: share of the pair that is never held out, 0…1.

    Returns:
        An index into :data:`ltbench.api.PARTS` for each image.
    """
    order, quota = generator.permutation(count), val + test
    held = min(count - int(np.ceil(keep * count)), quota)
    in_val = held * val // quota if quota else 0
    parts = np.full(count, PARTS.index("train"), dtype=np.int64)
    parts[order[:in_val]] = PARTS.index("val")
    parts[order[in_val:held]] = PARTS.index("test")
    return parts


def exponential_profile(largest: int, ratio: float, classes: int) -> NDArray[np.int64]:
    """Return the class sizes n_c = int(largest · ratio^(c / (C-1))), largest first.

    Args:
        largest: images of class 0.
        ratio: size of the last class over that of the first, in (0, 1].
        classes: number of classes C.
    """
    if classes == 1:
        return np.array([largest])
    exponents = np.arange(classes) / (classes - 1)
    # Rounding first keeps int() from losing an image where the power is a hair below a whole.
    return np.floor(np.round(largest * ratio**exponents, 9)).astype(np.int64)


def class_sizes(profile: str, largest: int, ratio: float, classes: int) -> NDArray[np.int64]:
    """Return the training images per class of an imbalance profile, (C,).

    Args:
        profile: one of :data:`PROFILES`: ``exp`` falls exponentially, ``step`` has ``largest``
            images in the first half of the classes and ``largest · ratio`` in the second (Cao et
            al., NeurIPS 2019), ``balanced`` has ``largest`` everywhere; ``-inverse`` runs from
            the last class to the first.
        largest: images of the largest class.
        ratio: size of the smallest class over that of the largest, in (0, 1].
        classes: number of classes.

    Raises:
        UsageError: there is no such profile.
    """
    shape, _, direction = profile.partition("-")
    if profile not in PROFILES:
        raise UsageError(f"there is no profile '{profile}'{suggestion(profile, PROFILES)}")
    if shape == "exp":
        sizes = exponential_profile(largest, ratio, classes)
    else:
        sizes = np.full(classes, largest, dtype=np.int64)
        if shape == "step":
            sizes[-(-classes // 2) :] = int(round(largest * ratio, 9))
    return sizes[::-1].copy() if direction else sizes
