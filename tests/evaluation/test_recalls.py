"""Means of recalls and of F1 against scikit-learn and SciPy, with absent classes and zeros."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gmean, hmean
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score

from ltbench.evaluation.metrics import accuracy, macro_f1
from ltbench.evaluation.recalls import adjusted_accuracy, class_recalls, shot_f1
from ltbench.plugins.predictions import Predictions

DOMAINS, CLASSES = 3, 6
seeds = st.integers(0, 10_000)


def predictions(seed: int, n: int = 200) -> Predictions:
    """Random answers, a third of them right, on images of some of the classes."""
    generator = np.random.default_rng(seed)
    present = generator.choice(CLASSES, size=generator.integers(1, CLASSES + 1), replace=False)
    y = generator.choice(present, size=n)
    guess = generator.integers(0, CLASSES, size=n)
    return Predictions(
        y=y,
        d=np.sort(generator.integers(0, DOMAINS, size=n)),
        prediction=np.where(generator.random(n) < 0.3, y, guess),
        confidence=np.ones(n),
        nll=np.ones(n),
        counts=generator.choice([0, 5, 50, 500], size=(DOMAINS, CLASSES)),
        many=100,
        few=20,
    )


def sk_recalls(p: Predictions) -> np.ndarray:
    return recall_score(p.y, p.prediction, labels=np.unique(p.y), average=None, zero_division=0)


def answers(y, prediction, counts=None, d=None) -> Predictions:
    y, prediction = np.array(y), np.array(prediction)
    d = np.zeros(len(y), int) if d is None else np.array(d)
    counts = (
        np.full((1 + d.max(), 1 + max(y.max(), prediction.max())), 50) if counts is None else counts
    )
    ones = np.ones(len(y))
    return Predictions(y, d, prediction, ones, ones, np.array(counts), 100, 20)


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
@given(seeds)
@settings(max_examples=50, deadline=None)
def test_means_of_recalls_equal_those_of_scikit_learn_and_scipy(seed):
    p, found = predictions(seed), class_recalls(predictions(seed))
    domains = [p.where(p.d == d) for d in np.unique(p.d)]
    of = {
        "balanced_accuracy": lambda q: balanced_accuracy_score(q.y, q.prediction),
        "gmean": lambda q: gmean(sk_recalls(q)),
        "hmean": lambda q: hmean(sk_recalls(q)),
    }
    for name, function in of.items():
        with np.errstate(divide="ignore"):
            assert found[name] == pytest.approx(function(p))
            values = [function(q) for q in domains]
        assert found[f"{name}_average"] == pytest.approx(np.mean(values))
        assert found[f"{name}_worst"] == pytest.approx(min(values))


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_the_means_are_in_their_order_and_above_the_worst_class(seed):
    p = predictions(seed, n=400)
    found = class_recalls(p) | accuracy(p)
    tiny = 1e-12
    assert (
        0
        <= found["hmean"]
        <= found["gmean"] + tiny
        <= found["balanced_accuracy"] + 2 * tiny
        <= 1 + 3 * tiny
    )
    lowest = found["accuracy_worst_class"]
    assert lowest - tiny <= found["accuracy_worst_tenth"] <= found["balanced_accuracy"] + tiny
    assert lowest <= found["hmean"] + tiny or lowest == 0


def test_a_class_without_a_right_answer_makes_both_means_zero():
    found = class_recalls(answers([0, 0, 1, 1], [0, 0, 0, 0]))
    assert found["gmean"] == found["hmean"] == 0
    assert found["balanced_accuracy"] == 0.5
    perfect = class_recalls(answers([0, 2, 2], [0, 2, 2]))
    assert set(perfect.values()) == {1.0}


@pytest.mark.parametrize(
    ("classes", "worst"), [(1, 1), (9, 1), (10, 1), (19, 1), (20, 2), (345, 34)]
)
def test_the_worst_tenth_is_whole_classes_and_at_least_one(classes, worst):
    generator = np.random.default_rng(classes)
    rights = generator.permutation(classes)  # class c has so many of `classes` images right
    y = np.repeat(np.arange(classes), classes)
    hit = (np.arange(classes)[None] < rights[:, None]).ravel()
    p = answers(y, np.where(hit, y, classes))
    assert class_recalls(p)["accuracy_worst_tenth"] == pytest.approx(
        np.mean(np.arange(worst)) / classes
    )


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_adjusted_accuracy_is_the_mean_over_groups_as_their_loop_has_it(seed):
    """SubpopBench: the plain mean of the accuracies of all groups of class and attribute."""
    p = predictions(seed)
    groups = np.array([f"y={y},a={d}" for y, d in zip(p.y, p.d, strict=True)])
    expected = [np.mean(p.correct[groups == g]) for g in np.unique(groups)]
    assert adjusted_accuracy(p)["adjusted_accuracy"] == pytest.approx(np.mean(expected))
    one = p.where(p.d == p.d[0])
    balanced = class_recalls(one)["balanced_accuracy"]
    assert adjusted_accuracy(one)["adjusted_accuracy"] == pytest.approx(balanced)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_f1_of_shots_is_the_mean_over_their_pairs(seed):
    p, of_pairs = predictions(seed), {"many": [], "medium": [], "few": [], "zero": []}
    for d in np.unique(p.d):
        q = p.where(p.d == d)
        f1 = f1_score(q.y, q.prediction, labels=range(CLASSES), average=None, zero_division=0)
        for c in np.unique(q.y):
            of_pairs[{0: "zero", 5: "few", 50: "medium", 500: "many"}[int(p.counts[d, c])]].append(
                f1[c]
            )
    found = shot_f1(p)
    for shot, values in of_pairs.items():
        assert found[f"f1_{shot}"] == (pytest.approx(np.mean(values)) if values else None)


def test_f1_of_one_shot_in_one_domain_is_macro_f1():
    p = answers([0, 0, 1, 2], [0, 1, 1, 0])
    found = shot_f1(p)
    assert found["f1_medium"] == pytest.approx(macro_f1(p)["macro_f1"])
    assert found["f1_many"] is found["f1_few"] is found["f1_zero"] is None


@given(seeds, seeds)
@settings(max_examples=30, deadline=None)
def test_the_numbering_of_classes_does_not_matter(seed, other):
    p = predictions(seed)
    new = np.random.default_rng(other).permutation(CLASSES)
    counts = np.empty_like(p.counts)
    counts[:, new] = p.counts
    q = Predictions(new[p.y], p.d, new[p.prediction], p.confidence, p.nll, counts, p.many, p.few)
    for metric in (class_recalls, adjusted_accuracy, shot_f1):
        one, two = metric(p), metric(q)
        assert {k: v for k, v in one.items() if v is None} == {
            k: v for k, v in two.items() if v is None
        }
        assert all(two[k] == pytest.approx(v) for k, v in one.items() if v is not None)


def test_the_domains_are_those_that_have_images():
    p = predictions(0)
    one = p.where(p.d == DOMAINS - 1)
    found = class_recalls(one)
    for name in ("balanced_accuracy", "gmean", "hmean"):
        assert found[name] == found[f"{name}_average"] == found[f"{name}_worst"]
