"""Test sets and methods that are equal on all images there could be, for simulations."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ltbench.stats.image_errors import METRICS, ImageErrors, image_errors

# 572 images in four domains of five classes, two images in the smallest pairs.
SIZES = np.tile([2, 5, 14, 42, 80], (4, 1))


def test_images(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return class and domain of every image, given images by (domain, class)."""
    domain, label = (a.ravel() for a in np.mgrid[: sizes.shape[0], : sizes.shape[1]])
    return np.repeat(label, sizes.ravel()), np.repeat(domain, sizes.ravel())


test_images.__test__ = False  # type: ignore[attr-defined]


def predictions(
    rng: np.random.Generator,
    label: np.ndarray,
    skill: np.ndarray,
    seeds: int,
    *,
    spread: float = 0.3,
    own: float = 1.0,
) -> list[list[np.ndarray]]:
    """Draw what methods predict: for each method, one array of classes for each seed.

    Args:
        rng: of the drawing.
        label: true classes (N,).
        skill: of each method on each image, (methods, N), in deviations of the images' difficulty.
        seeds: of each method.
        spread: how much one method's seeds differ on an image.
        own: how much one method differs from another on an image, whatever its seed.
    """
    methods, images = skill.shape
    classes = int(label.max()) + 1
    difficulty = rng.normal(size=images)
    fixed = skill + difficulty + own * rng.normal(size=(methods, images))
    whole = 0.05 * rng.normal(size=(methods, seeds, 1))
    right = fixed[:, None] + whole + spread * rng.normal(size=(methods, seeds, images)) > 0
    wrong = (label + rng.integers(1, classes, right.shape)) % classes
    guesses = np.where(right, label, wrong)
    return [list(of_method) for of_method in guesses]


def scored(
    guesses: list[list[np.ndarray]], label: np.ndarray, domain: np.ndarray
) -> tuple[pd.DataFrame, ImageErrors]:
    """Return the scores of every run as a table has them, and the error of the test images."""
    names = ["erm", *(f"m{i}" for i in range(1, len(guesses)))]
    runs = [(name, s) for name, of in zip(names, guesses, strict=True) for s in range(len(of))]
    each = image_errors(
        {f"{name} {s}": [guesses[names.index(name)][s]] for name, s in runs}, label, domain
    )
    errors = image_errors(dict(zip(names, guesses, strict=True)), label, domain)
    assert each is not None
    assert errors is not None
    frames = [
        pd.DataFrame(
            {"label": [n for n, _ in runs], "seed": [s for _, s in runs], "metric": metric,
             "value": each.values[metric]}
        )
        for metric in METRICS
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True), errors
