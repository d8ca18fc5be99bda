"""What every metric does. Nothing here imports torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ltbench.plugins.manager import get_plugins
from ltbench.plugins.measure import find_base
from ltbench.plugins.predictions import Predictions
from ltbench.testing.point import Points, Subject

POINTS = Points()
KIND = "metric"
DOMAINS, CLASSES, IMAGES = 3, 4, 60


def random_predictions(seed: int = 0, images: int = IMAGES) -> Predictions:
    """Return random answers on images of three domains and four classes."""
    generator = np.random.default_rng(seed)
    y, d = (generator.integers(0, n, images) for n in (CLASSES, DOMAINS))
    confidence = generator.uniform(0.25, 1.0, images)
    prediction = np.where(generator.random(images) < 0.6, y, (y + 1) % CLASSES)
    probabilities = np.repeat((1 - confidence[:, None]) / (CLASSES - 1), CLASSES, axis=1)
    probabilities[np.arange(images), prediction] = confidence
    return Predictions(
        y=y,
        d=d,
        prediction=prediction,
        confidence=confidence,
        nll=-np.log(confidence) + generator.exponential(0.1, images),
        counts=generator.integers(0, 30, (DOMAINS, CLASSES)),
        many=20,
        few=5,
        probabilities=probabilities,
    )


@POINTS.add("values", "It gives names with a finite number or None", KIND)
def check_values(subject: Subject) -> None:
    """Check ordinary answers, and those that leave little to compute from."""
    for what, predictions in _cases().items():
        values = subject.entry.load()(predictions)
        where = f"metric '{subject.entry.name}' on {what}"
        assert isinstance(values, Mapping), f"{where} gives {type(values).__name__}, no mapping"
        assert values, f"{where} gives nothing"
        for key, value in values.items():
            assert isinstance(key, str) and key, f"{where}: {key!r} is no name"  # noqa: PT018
            plain = value is None or (isinstance(value, float | int) and math.isfinite(value))
            assert plain, f"{where}: '{key}' is {value!r}, neither a finite number nor None"


@POINTS.add("order", "It does not depend on the order of the images", KIND)
def check_order(subject: Subject) -> None:
    """Check the same images in another order."""
    metric, predictions = subject.entry.load(), random_predictions()
    order = np.random.default_rng(1).permutation(len(predictions))
    shuffled = replace(predictions, **{k: getattr(predictions, k)[order] for k in _COLUMNS})
    one, other = metric(predictions), metric(shuffled)
    for key, value in one.items():
        assert _close(value, other.get(key)), (
            f"metric '{subject.entry.name}': '{key}' is {value} and, with the images in another "
            f"order, {other.get(key)}"
        )


@POINTS.add("pure", "It changes nothing and says the same twice", KIND)
def check_pure(subject: Subject) -> None:
    """Check that the predictions are as they were, and a second answer is the first."""
    metric, predictions = subject.entry.load(), random_predictions()
    first = metric(predictions)
    fresh = random_predictions()
    for column in (*_COLUMNS, "counts"):
        same = np.array_equal(getattr(predictions, column), getattr(fresh, column))
        assert same, f"metric '{subject.entry.name}' changes the {column} that it is given"
    assert first == metric(predictions), f"metric '{subject.entry.name}' gives two answers"


@POINTS.add("own-names", "Its names are no other metric's", KIND)
def check_own_names(subject: Subject) -> None:
    """Check against every other metric that is installed."""
    predictions = random_predictions()
    own = set(subject.entry.load()(predictions))
    for entry in get_plugins()["metrics"]:
        if entry.name != subject.entry.name:
            twice = own & set(entry.load()(predictions))
            assert not twice, (
                f"metric '{subject.entry.name}' gives '{min(twice)}', and so does '{entry.name}'"
            )


@POINTS.add("declared", "It says which direction is better, for each of its names", KIND)
def check_declared(subject: Subject) -> None:
    """Check that what was declared at its registration covers every value."""
    for key in subject.entry.load()(random_predictions()):
        assert find_base(key, subject.entry.measures), (
            f"metric '{subject.entry.name}' does not say what '{key}' means: register it with "
            'better="higher" or better="lower" (and unit, head and words), or by bases={…} '
            "where its names begin otherwise"
        )


_COLUMNS = ("y", "d", "prediction", "confidence", "nll", "probabilities")


def _cases() -> dict[str, Predictions]:
    whole = random_predictions()
    return {
        "random answers": whole,
        "answers that are all right": replace(whole, prediction=whole.y),
        "answers that are all wrong": replace(whole, prediction=(whole.y + 1) % CLASSES),
        "images of one domain": whole.where(whole.d == 0),
        "images of one class": whole.where(whole.y == 0),
        "one image": whole.where(np.arange(len(whole)) == 0),
        "answers without probabilities": replace(whole, probabilities=None),
    }


def _close(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
