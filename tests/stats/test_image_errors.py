"""Claims that hold for other test images, and intervals over them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from simulated_images import SIZES, predictions, scored, test_images
from simulated_tables import METRICS, bound, claims_something

from ltbench.stats.claims import analyse
from ltbench.stats.image_bootstrap import image_bootstrap
from ltbench.stats.image_errors import image_errors
from ltbench.stats.strata import Strata


def error_rate(tables: int, sizes: np.ndarray, methods: int, seeds: int, spread: float) -> float:
    """Return how many tables of methods that are equal on all images claim anything."""
    rng = np.random.default_rng([methods, seeds, int(sizes.sum())])
    label, domain = test_images(sizes)
    wrong = 0
    for _ in range(tables):
        skill = np.full((methods, len(label)), 0.8)
        scores, images = scored(predictions(rng, label, skill, seeds, spread=spread), label, domain)
        analysis = analyse(
            scores, primary=METRICS[0], declared=METRICS, reference="erm", images=images, draws=399
        )
        wrong += claims_something(analysis)
    return wrong / tables


def test_methods_that_are_equal_on_all_images_are_not_told_apart_by_572() -> None:
    assert error_rate(80, SIZES, 4, 5, spread=0.05) <= bound(80)


CELLS = {
    "572 images, seeds agree closely": (SIZES, 4, 5, 0.05),
    "572 images": (SIZES, 4, 5, 0.3),
    "572 images, three seeds": (SIZES, 4, 3, 0.3),
    "572 images, ten methods": (SIZES, 10, 5, 0.3),
    "572 images, seeds differ widely": (SIZES, 4, 5, 2.0),
    "two of each class": (np.full((6, 10), 2), 4, 5, 0.3),
    "four of each class, 96 images": (np.full((3, 8), 4), 4, 5, 0.3),
    "most classes with one image": (np.tile([1, 1, 10], (3, 7)), 4, 5, 0.3),
}


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_equal_methods_are_rarely_told_apart(cell: str) -> None:
    rate = error_rate(1_000, *CELLS[cell])
    print(f"family-wise error over seeds and images, {cell}: {rate:.3f}")
    assert rate <= bound(1_000)


def test_a_difference_that_images_show_is_claimed() -> None:
    rng = np.random.default_rng(0)
    label, domain = test_images(SIZES)
    skill = np.full((3, len(label)), 0.3)
    skill[1] += 1.0
    scores, images = scored(predictions(rng, label, skill, 5), label, domain)
    analysis = analyse(scores, primary=METRICS[0], declared=METRICS, reference="erm", images=images)
    assert analysis.over_images == METRICS
    claimed = analysis.comparisons.set_index(["metric", "label"])["claimed"]
    assert claimed["accuracy_average", "m1"]
    assert not claimed["accuracy_average", "m2"]


def test_errors_are_the_spread_of_scores_over_test_sets() -> None:
    """Against scores on 3,000 test sets drawn from what a model would answer."""
    rng = np.random.default_rng(0)
    label, domain = test_images(np.array([[20, 40, 7], [30, 10, 60]]))
    chance = np.array([[0.8, 0.5, 0.3], [0.9, 0.9, 0.9]])[domain, label]

    def drawn() -> np.ndarray:
        right = rng.random(len(label)) < chance
        return np.where(right, label, (label + rng.integers(1, 3, len(label))) % 3)

    errors = [image_errors({"a": [drawn()]}, label, domain) for _ in range(3_000)]
    for metric in ("accuracy_average", "macro_f1_average", "accuracy_worst"):
        scores = np.array([e.values[metric][0] for e in errors if e])
        estimates = np.array([e.covariances[metric][0, 0] for e in errors if e])
        assert np.sqrt(estimates.mean()) == pytest.approx(scores.std(), rel=0.08), metric


def test_a_domain_of_one_image_says_nothing() -> None:
    label, domain = np.array([0, 1, 0]), np.array([0, 0, 1])
    assert image_errors({"a": [label]}, label, domain) is None
    assert image_bootstrap({"a": [label]}, label, domain, resamples=5).empty


def test_single_images_are_taken_together() -> None:
    label, domain = np.array([0, 1, 2, 2, 0, 1, 1]), np.array([0, 0, 0, 0, 1, 1, 1])
    strata = Strata.of(label, domain)
    assert strata is not None
    assert strata.number.tolist() == [0, 0, 1, 1, 2, 2, 2]
    assert strata.size.tolist() == [2, 2, 3]
    assert strata.domain.tolist() == [0, 0, 1]


def coverage(
    sizes: np.ndarray, accuracies: list[np.ndarray], seeds: int, tables: int
) -> pd.DataFrame:
    """Return how many intervals hold the truth: of scores, and of the second less the first's.

    The truth is the expected score on test sets of this size in each domain, and the mean or the
    least of these over the domains.
    """
    rng = np.random.default_rng([seeds, int(sizes.sum())])
    label, domain = test_images(sizes)
    classes = sizes.shape[1]

    def drawn(accuracy: np.ndarray) -> np.ndarray:
        right = rng.random(len(label)) < accuracy[domain, label]
        return np.where(right, label, (label + rng.integers(1, classes, len(label))) % classes)

    truths = [_expected([drawn(a) for _ in range(1_000)], label, domain, classes)
              for a in accuracies]  # fmt: skip
    held = pd.DataFrame(0.0, index=list(METRICS), columns=["score", "difference"])
    for i in range(tables):
        runs = {f"m{m}": [drawn(a) for _ in range(seeds)] for m, a in enumerate(accuracies)}
        table = image_bootstrap(runs, label, domain, "m0", resamples=300, seed=i)
        rows = table.set_index(["metric", "label"])
        for m, metric in enumerate(METRICS):
            first, second = rows.loc[(metric, "m0")], rows.loc[(metric, "m1")]
            apart = truths[1][m] - truths[0][m]
            held.loc[metric, "score"] += _within(truths[0][m], first["low"], first["high"])
            ends = second["difference_low"], second["difference_high"]
            held.loc[metric, "difference"] += _within(apart, *ends)
    return held / tables


def _within(truth: float, low: float, high: float) -> float:
    return np.nan if np.isnan(low) else float(low - 1e-9 <= truth <= high + 1e-9)


def _expected(
    guesses: list[np.ndarray], label: np.ndarray, domain: np.ndarray, classes: int
) -> list[float]:
    domains = int(domain.max()) + 1
    accuracy, f1 = np.zeros(domains), np.zeros(domains)
    actual = np.zeros((domains, classes))
    np.add.at(actual, (domain, label), 1)
    for guess in guesses:
        hits, called = np.zeros((2, domains, classes))
        np.add.at(hits, (domain, label), guess == label)
        np.add.at(called, (domain, guess), 1)
        accuracy += hits.sum(1) / actual.sum(1) / len(guesses)
        f1 += (2 * hits / (called + actual)).mean(1) / len(guesses)
    return [accuracy.mean(), accuracy.min(), f1.mean(), f1.min()]


def shape(kind: str, domains: int, classes: int) -> np.ndarray:
    """Return accuracies of domains that are alike, of one that is far worse, or of steps."""
    found = np.full((domains, classes), 0.75)
    if kind == "one worse":
        found[0] -= 0.25
    if kind == "steps":
        found -= 0.03 * np.arange(domains)[:, None]
    return found


@pytest.mark.parametrize("per_class", [2, 20])
def test_intervals_of_few_images_and_of_the_worst_domain_hold_the_truth(per_class: int) -> None:
    sizes = np.full((4, 5), per_class)
    held = coverage(sizes, [shape("alike", 4, 5), shape("one worse", 4, 5)], 1, 60)
    least = 0.95 - 2.5 * np.sqrt(0.05 * 0.95 / 60)
    assert (held.loc[["accuracy_average", "accuracy_worst"]] >= least).all(axis=None)
    # F1 of two images a class has no interval that would hold.
    assert held.loc["macro_f1_average"].isna().all() == (per_class == 2)


@pytest.mark.slow
@pytest.mark.parametrize("per_class", [2, 5, 20])
@pytest.mark.parametrize("kinds", [("alike", "one worse"), ("one worse", "alike"),
                                   ("steps", "alike")])  # fmt: skip
@pytest.mark.parametrize(("domains", "classes", "seeds"), [(4, 5, 1), (4, 5, 3), (10, 10, 1)])
def test_intervals_over_images_hold_the_truth(
    per_class: int, kinds: tuple[str, str], domains: int, classes: int, seeds: int
) -> None:
    sizes = np.full((domains, classes), per_class)
    held = coverage(sizes, [shape(kind, domains, classes) for kind in kinds], seeds, 1_000)
    least = held.min(axis=None)
    print(f"{domains}×{classes}, {per_class} each, {seeds} seeds, {kinds}: least {least:.3f}")
    print(held.round(3).to_string())
    # Coverage of 93 %, less two standard errors of a share of so many tables.
    assert not (held < 0.93 - 2 * np.sqrt(0.07 * 0.93 / 1_000)).any(axis=None)
