"""The metrics against scikit-learn, on random labels with absent classes and empty buckets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score
from sklearn.metrics import confusion_matrix as sk_confusion

from ltbench.evaluation.metrics import accuracy, confusion_matrix, ece, loss, macro_f1, shots
from ltbench.plugins.predictions import Predictions

DOMAINS, CLASSES = 3, 6


def predictions(seed: int, n: int = 200, classes: int = CLASSES) -> Predictions:
    generator = np.random.default_rng(seed)
    present = generator.choice(classes, size=generator.integers(1, classes + 1), replace=False)
    return Predictions(
        y=generator.choice(present, size=n),
        d=np.sort(generator.integers(0, DOMAINS, size=n)),
        prediction=generator.integers(0, classes, size=n),
        confidence=generator.uniform(1 / classes, 1, size=n),
        nll=generator.exponential(size=n),
        counts=generator.choice([0, 5, 50, 500], size=(DOMAINS, classes)),
        many=100,
        few=20,
    )


seeds = st.integers(0, 10_000)


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_accuracy_and_f1_equal_scikit_learn(seed):
    p = predictions(seed)
    domains = [p.where(p.d == d) for d in np.unique(p.d)]
    f1 = [f1_score(q.y, q.prediction, labels=np.unique(q.y), average="macro") for q in domains]
    acc = [accuracy_score(q.y, q.prediction) for q in domains]
    found = {**accuracy(p), **macro_f1(p)}
    assert found["accuracy"] == pytest.approx(accuracy_score(p.y, p.prediction))
    assert found["accuracy_average"] == pytest.approx(np.mean(acc))
    assert found["accuracy_worst"] == pytest.approx(min(acc))
    assert found["macro_f1_average"] == pytest.approx(np.mean(f1))
    assert found["macro_f1_worst"] == pytest.approx(min(f1))
    classes = np.unique(p.y)
    per_class = f1_score(p.y, p.prediction, labels=classes, average=None)
    assert found["f1_worst_class"] == pytest.approx(per_class.min())
    of_class = [accuracy_score(p.y[p.y == c], p.prediction[p.y == c]) for c in classes]
    assert found["accuracy_worst_class"] == pytest.approx(min(of_class))


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_the_confusion_matrix_has_fixed_labels(seed):
    p = predictions(seed)
    expected = sk_confusion(p.y, p.prediction, labels=range(CLASSES))
    assert np.array_equal(confusion_matrix(p), expected)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_shots_partition_the_images(seed):
    p = predictions(seed)
    n = np.array([p.counts[d, y] for d, y in zip(p.d, p.y, strict=True)])
    bucket = np.where(
        n == 0, "zero", np.where(n <= 20, "few", np.where(n <= 100, "medium", "many"))
    )
    found = shots(p)
    for name in ("many", "medium", "few", "zero"):
        mask = bucket == name
        if mask.any():
            expected = accuracy_score(p.y[mask], p.prediction[mask])
            assert found[f"accuracy_{name}_pooled"] == pytest.approx(expected)
        else:
            assert found[f"accuracy_{name}_pooled"] is found[f"accuracy_{name}"] is None


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_shots_are_means_over_pairs_of_unequal_sizes(seed):
    """As the benchmark: the accuracy of each pair with test images, then their plain mean."""
    p = predictions(seed)
    of_pairs = {"many": [], "medium": [], "few": [], "zero": []}
    for d in range(DOMAINS):
        for c in range(CLASSES):
            answers = p.prediction[(p.d == d) & (p.y == c)]
            if len(answers):
                shot = {0: "zero", 5: "few", 50: "medium", 500: "many"}[int(p.counts[d, c])]
                of_pairs[shot].append(np.mean(answers == c))
    found = shots(p)
    for name, shares in of_pairs.items():
        if shares:
            assert found[f"accuracy_{name}"] == pytest.approx(np.mean(shares))
        else:
            assert found[f"accuracy_{name}"] is None


def test_zero_shot_pairs_of_14_20_and_28_images_count_alike():
    """VLCS-MLT has three zero-shot pairs of these sizes; pooled, 28 images would count double."""
    sizes, right = np.array([14, 20, 28]), np.array([14, 10, 0])
    y = np.repeat([0, 1, 2], sizes)
    hit = np.concatenate([np.arange(s) < r for s, r in zip(sizes, right, strict=True)])
    counts = np.array([[0, 0, 0, 9]])
    p = Predictions(
        y, np.zeros(62, int), np.where(hit, y, 3), np.ones(62), np.ones(62), counts, 100, 20
    )
    found = shots(p)
    assert found["accuracy_zero"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert found["accuracy_zero_pooled"] == pytest.approx(24 / 62)
    assert found["accuracy_few"] is found["accuracy_few_pooled"] is None


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_pairs_of_one_size_give_the_pooled_number_to_the_last_bit(seed):
    generator = np.random.default_rng(seed)
    d, y = (a.ravel() for a in np.mgrid[:3, :7].repeat(50, axis=2))
    p = Predictions(
        y, d, np.where(generator.random(len(y)) < 0.6, y, (y + 1) % 7), np.ones(len(y)),
        np.ones(len(y)), generator.choice([0, 5, 50, 500], size=(3, 7)), 100, 20,
    )  # fmt: skip
    found = shots(p)
    for name in ("many", "medium", "few", "zero"):
        assert found[f"accuracy_{name}"] == found[f"accuracy_{name}_pooled"]


def test_the_thresholds_belong_to_the_bucket_below():
    p = Predictions(
        y=np.array([0, 1, 2, 3]),
        d=np.zeros(4, int),
        prediction=np.array([0, 9, 9, 9]),
        confidence=np.ones(4),
        nll=np.ones(4),
        counts=np.array([[101, 100, 20, 0, 0, 0, 0, 0, 0, 0]]),
        many=100,
        few=20,
    )
    expected = {"many": 1.0, "medium": 0.0, "few": 0.0, "zero": 0.0}
    assert shots(p) == {f"accuracy_{name}{of}": value
                        for name, value in expected.items() for of in ("", "_pooled")}  # fmt: skip


def test_the_limits_are_medium_shot_where_the_rule_says_so():
    p = Predictions(
        y=np.arange(6), d=np.zeros(6, int), prediction=np.array([0, 1, 9, 9, 4, 9]),
        confidence=np.ones(6), nll=np.ones(6), counts=np.array([[101, 100, 20, 19, 1, 0]]),
        many=100, few=20, few_inclusive=False,
    )  # fmt: skip
    found = shots(p)
    assert found["accuracy_many"] == 1
    assert found["accuracy_medium"] == 1 / 2  # 100 and 20
    assert found["accuracy_few"] == 1 / 2  # 19 and 1
    assert found["accuracy_zero"] == 0


def test_ece_of_a_worked_example():
    # Of 15 bins .95 and .97 share the last one (gap 1/2 − .96), .3 stands in the fifth.
    p = Predictions(
        y=np.array([0, 0, 0]),
        d=np.zeros(3, int),
        prediction=np.array([0, 1, 1]),
        confidence=np.array([0.95, 0.97, 0.3]),
        nll=np.ones(3),
        counts=np.ones((1, 2), int),
        many=1,
        few=1,
    )
    assert ece(p)["ece"] == pytest.approx((2 * abs(0.5 - 0.96) + abs(0 - 0.3)) / 3)


def test_ece_of_a_calibrated_model_is_small():
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.5, 1, 200_000)
    right = generator.uniform(size=len(confidence)) < confidence
    p = Predictions(
        y=np.zeros(len(right), int),
        d=np.zeros(len(right), int),
        prediction=np.where(right, 0, 1),
        confidence=confidence,
        nll=-np.log(confidence),
        counts=np.ones((1, 2), int),
        many=1,
        few=1,
    )
    assert ece(p)["ece"] < 0.005


def test_the_worst_loss_is_the_largest():
    p = predictions(0)
    per_domain = [p.nll[p.d == d].mean() for d in range(DOMAINS)]
    assert loss(p)["loss_worst"] == pytest.approx(max(per_domain))
    assert loss(p)["loss"] == pytest.approx(p.nll.mean())


def test_the_metrics_of_the_thesis_test_sets_are_multiples_of_one_image():
    """844 + 169 + 38 images: MobileNetV2's softmax row has accuracies k/844, k/169 and k/38."""
    sizes, printed = (844, 169, 38), (0.8341, 0.5917, 0.2368)
    right = [round(share * size) for share, size in zip(printed, sizes, strict=True)]
    assert [round(r / s, 4) for r, s in zip(right, sizes, strict=True)] == list(printed)
    y = np.repeat([0, 1, 2], sizes)
    hit = np.concatenate([np.arange(s) < r for s, r in zip(sizes, right, strict=True)])
    p = Predictions(
        y=y,
        d=np.zeros(len(y), int),
        prediction=np.where(hit, y, (y + 1) % 3),
        confidence=np.ones(len(y)),
        nll=np.ones(len(y)),
        counts=np.array([[450, 50, 5]]),
        many=100,
        few=20,
    )
    found = {**accuracy(p), **shots(p)}
    assert round(found["accuracy"], 4) == 0.7735
    assert [round(found[f"accuracy_{b}"], 4) for b in ("many", "medium", "few")] == list(printed)
