"""The bootstrap over test images, and the scores it rests on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score, recall_score

from ltbench.evaluation.classification import (
    accuracy,
    confusion_matrix,
    f1,
    macro_f1,
    recall,
    weighted_f1,
)
from ltbench.stats.image_bootstrap import image_bootstrap

labels = st.integers(2, 8).flatmap(
    lambda c: st.tuples(
        st.just(c),
        st.lists(st.tuples(st.integers(0, c - 1), st.integers(0, c - 1)), min_size=1, max_size=60),
    )
)


@settings(max_examples=150, deadline=None)
@given(labels)
def test_scores_agree_with_scikit_learn_whatever_is_absent(
    drawn: tuple[int, list[tuple[int, int]]],
) -> None:
    classes, pairs = drawn
    label, prediction = np.array(pairs).T
    matrix = confusion_matrix(label, prediction, classes)
    present = np.unique(label)
    options = {"labels": present, "zero_division": 0}
    assert accuracy(matrix) == pytest.approx(accuracy_score(label, prediction))
    assert macro_f1(matrix) == pytest.approx(
        f1_score(label, prediction, average="macro", **options)
    )
    assert weighted_f1(matrix) == pytest.approx(
        f1_score(label, prediction, average="weighted", **options)
    )
    np.testing.assert_allclose(
        f1(matrix)[present], f1_score(label, prediction, average=None, **options)
    )
    np.testing.assert_allclose(
        recall(matrix)[present], recall_score(label, prediction, average=None, **options)
    )
    absent = np.setdiff1d(np.arange(classes), present)
    assert np.isnan(f1(matrix)[absent]).all()
    assert np.isnan(recall(matrix)[absent]).all()


def test_no_images_have_no_score() -> None:
    empty = np.zeros((3, 3), dtype=int)
    assert np.isnan([accuracy(empty), macro_f1(empty), weighted_f1(empty)]).all()


def test_a_row_of_the_thesis_from_confusion_matrices_of_its_test_sets() -> None:
    """Table 5.1, balanced softmax: .8034 balanced, .8030 long-tailed, .8069, .7574, .9211.

    Its long-tailed test set holds max(1, int(50 · .01^(c/99))) images of class c: 844 head, 169
    middle and 38 tail images. With the hits that the printed digits imply, 681 + 128 + 35 of 1051
    and 4017 of 5000, every printed figure comes out.
    """
    images = np.array([max(1, int(50 * 0.01 ** (c / 99))) for c in range(100)])
    head, middle, tail = slice(0, 33), slice(33, 66), slice(66, 100)
    assert [int(images[part].sum()) for part in (head, middle, tail)] == [844, 169, 38]

    def matrix(counts: np.ndarray, hits: np.ndarray) -> np.ndarray:
        confusion = np.diag(hits)
        confusion[np.arange(100), (np.arange(100) + 1) % 100] += counts - hits
        return confusion

    def spread(counts: np.ndarray, hits: int) -> np.ndarray:
        """Give the first images of the part to the hits."""
        return np.clip(hits - np.r_[0, np.cumsum(counts)[:-1]], 0, counts)

    hits = np.concatenate(
        [spread(images[part], n) for part, n in ((head, 681), (middle, 128), (tail, 35))]
    )
    long_tailed = matrix(images, hits)
    assert round(accuracy(long_tailed), 4) == 0.8030
    rows = [long_tailed[part].sum() for part in (head, middle, tail)]
    diagonal = np.diag(long_tailed)
    printed = [
        round(float(diagonal[part].sum() / n), 4)
        for part, n in zip((head, middle, tail), rows, strict=True)
    ]
    assert printed == [0.8069, 0.7574, 0.9211]
    balanced = matrix(np.full(100, 50), spread(np.full(100, 50), 4017))
    assert round(accuracy(balanced), 4) == 0.8034


def test_one_domain_and_class_gives_the_interval_of_scipys_bootstrap() -> None:
    rng = np.random.default_rng(0)
    right = rng.random(200) < 0.7
    prediction = np.where(right, 0, 1)
    zeros = np.zeros(200, dtype=int)
    table = image_bootstrap({"a": [prediction]}, zeros, zeros, resamples=4_000)
    row = table[table["metric"] == "accuracy_average"].iloc[0]
    theirs = stats.bootstrap((right.astype(float),), np.mean, method="percentile", rng=1)
    assert row["mean"] == pytest.approx(right.mean())
    assert row["low"] == pytest.approx(theirs.confidence_interval.low, abs=0.008)
    assert row["high"] == pytest.approx(theirs.confidence_interval.high, abs=0.008)


def test_strata_keep_their_sizes_so_constant_classes_have_no_error() -> None:
    # Class 0 is always right and class 1 always wrong: only the mix could vary, and it must not.
    label = np.repeat([0, 1], [30, 70])
    table = image_bootstrap({"a": [np.zeros(100, int)]}, label, np.zeros(100, int), resamples=50)
    row = table[table["metric"] == "accuracy_average"].iloc[0]
    assert (row["low"], row["mean"], row["high"]) == pytest.approx((0.3, 0.3, 0.3))


def test_pairing_makes_equal_methods_equal() -> None:
    rng = np.random.default_rng(1)
    label, domain = rng.integers(0, 5, 300), rng.integers(0, 3, 300)
    guess = rng.integers(0, 5, 300)
    table = image_bootstrap(
        {"erm": [guess], "twin": [guess], "other": [rng.integers(0, 5, 300)]},
        label, domain, "erm", resamples=200,
    )  # fmt: skip
    twin = table[table["label"] == "twin"]
    assert (twin[["difference", "difference_low", "difference_high"]] == 0).all(axis=None)
    assert table[table["label"] == "erm"]["difference"].isna().all()
    other = table[table["label"] == "other"]
    assert (other["difference_low"] < other["difference_high"]).all()


def test_worst_and_average_are_over_domains() -> None:
    label, domain = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    table = image_bootstrap({"a": [np.array([0, 1, 0, 0])]}, label, domain, resamples=10)
    means = table.set_index("metric")["mean"]
    assert means["accuracy_average"] == pytest.approx(0.75)
    assert means["accuracy_worst"] == pytest.approx(0.5)
    assert means["macro_f1_worst"] == pytest.approx(f1_score([0, 1], [0, 0], average="macro"))
