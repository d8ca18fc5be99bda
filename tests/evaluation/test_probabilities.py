"""Metrics of probabilities against scikit-learn and loops, with absent classes and ties."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    roc_auc_score,
    top_k_accuracy_score,
)

from ltbench.evaluation import probabilities as module
from ltbench.evaluation.metrics import accuracy, adaptive_ece, ece
from ltbench.evaluation.probabilities import (
    brier_score,
    brier_scores,
    one_vs_rest,
    top5_accuracy,
    true_ranks,
)
from ltbench.plugins.predictions import Predictions

DOMAINS, CLASSES = 3, 8
seeds = st.integers(0, 10_000)


def answers(
    seed: int, n: int = 120, classes: int = CLASSES, ties: bool = True, dtype: type = np.float64
) -> Predictions:
    """Answers on images of some of the classes; of ties there are many where they are wanted."""
    generator = np.random.default_rng(seed)
    present = generator.choice(classes, size=generator.integers(1, classes + 1), replace=False)
    y = generator.choice(present, size=n)
    raw = (
        generator.integers(1, 4, (n, classes)) if ties else generator.exponential(size=(n, classes))
    )
    raw = raw + (np.arange(classes) == y[:, None]) * generator.integers(0, 2, (n, 1))
    probabilities = (raw / raw.sum(1, keepdims=True)).astype(dtype)
    return Predictions(
        y=y,
        d=np.sort(generator.integers(0, DOMAINS, size=n)),
        prediction=probabilities.argmax(1),
        confidence=probabilities.max(1).astype(np.float64),
        nll=-np.log(probabilities[np.arange(n), y]).astype(np.float64),
        counts=generator.choice([0, 5, 50, 500], size=(DOMAINS, classes)),
        many=100,
        few=20,
        probabilities=probabilities,
    )


def sk_macro(score, p: Predictions) -> float | None:
    values = [score(p.y == c, p.probabilities[:, c]) for c in np.unique(p.y) if (p.y != c).any()]
    return np.mean(values) if values else None


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_auroc_and_average_precision_equal_scikit_learn(ties, dtype, seed):
    p = answers(seed, ties=ties, dtype=dtype)
    found = one_vs_rest(p)
    for name, score in (("macro_auroc", roc_auc_score), ("macro_auprc", average_precision_score)):
        values = [sk_macro(score, p.where(p.d == d)) for d in np.unique(p.d)]
        known = [value for value in values if value is not None]
        whole = sk_macro(score, p)
        assert found[name] == (None if whole is None else pytest.approx(whole))
        assert found[f"{name}_average"] == (pytest.approx(np.mean(known)) if known else None)
        assert found[f"{name}_worst"] == (pytest.approx(min(known)) if known else None)


def test_a_small_block_changes_nothing(monkeypatch):
    p = answers(3)
    before = one_vs_rest(p), brier_score(p), top5_accuracy(p)
    monkeypatch.setattr(module, "_BLOCK", 50)
    assert (one_vs_rest(p), brier_score(p), top5_accuracy(p)) == before


def test_one_class_alone_has_no_curve():
    p = answers(0).where(answers(0).y == answers(0).y[0])
    assert set(one_vs_rest(p).values()) == {None}
    assert brier_score(p)["brier_score"] is not None


def test_a_class_without_images_in_one_domain_does_not_count_there():
    y, d = np.array([0, 0, 1, 1, 0, 0]), np.array([0, 0, 0, 0, 1, 1])
    q = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.85, 0.15], [0.5, 0.5], [0.6, 0.4]])
    p = Predictions(
        y, d, q.argmax(1), q.max(1), y * 1.0, np.ones((2, 2), int), 1, 1, probabilities=q
    )
    found = one_vs_rest(p)
    assert found["macro_auroc_average"] == found["macro_auroc_worst"] == pytest.approx(3 / 4)


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_the_ranks_follow_from_sorting_with_the_lower_index_first(seed):
    p = answers(seed)
    order = np.argsort(-p.probabilities, axis=1, kind="stable")
    expected = [list(line).index(c) for line, c in zip(order, p.y, strict=True)]
    ranks = true_ranks(p.probabilities, p.y)
    assert ranks.tolist() == expected
    assert np.array_equal(ranks == 0, p.correct)  # the first one is the prediction
    assert (ranks < CLASSES).all()  # all classes are the top ones of all
    found = top5_accuracy(p)
    hits = np.array(expected) < 5
    domains = [hits[p.d == d].mean() for d in np.unique(p.d)]
    assert found["top5_accuracy"] == pytest.approx(hits.mean())
    assert found["top5_accuracy_average"] == pytest.approx(np.mean(domains))
    assert found["top5_accuracy_worst"] == pytest.approx(min(domains))
    assert found["top5_accuracy"] >= accuracy(p)["accuracy"]


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_without_ties_top_five_equals_scikit_learn(seed):
    p = answers(seed, ties=False)
    expected = top_k_accuracy_score(p.y, p.probabilities, k=5, labels=range(CLASSES))
    assert top5_accuracy(p)["top5_accuracy"] == pytest.approx(expected)


def test_of_five_classes_there_is_no_top_five():
    assert set(top5_accuracy(answers(0, classes=5)).values()) == {None}
    assert top5_accuracy(answers(0, classes=6))["top5_accuracy"] is not None


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_the_brier_score_equals_scikit_learn(seed):
    p = answers(seed)
    expected = brier_score_loss(p.y, p.probabilities, labels=range(CLASSES), scale_by_half=False)
    found = brier_score(p)
    assert found["brier_score"] == pytest.approx(expected)
    hot = np.eye(CLASSES)[p.y]
    domains = [((p.probabilities - hot)[p.d == d] ** 2).sum(1).mean() for d in np.unique(p.d)]
    assert found["brier_score_average"] == pytest.approx(np.mean(domains))
    assert found["brier_score_worst"] == pytest.approx(max(domains))


def test_perfect_answers_are_perfect():
    p = answers(1)
    sure = np.eye(CLASSES, dtype=np.float32)[p.y]
    p = replace(p, probabilities=sure, prediction=p.y, confidence=np.ones(len(p)))
    assert set(brier_score(p).values()) == {0.0}
    assert set(top5_accuracy(p).values()) == {1.0}
    assert set(one_vs_rest(p).values()) == {1.0}
    assert adaptive_ece(p) == {"adaptive_ece": 0.0}
    assert brier_scores(np.roll(sure, 1, axis=1), p.y).tolist() == [2.0] * len(p)


@given(seeds, seeds)
@settings(max_examples=25, deadline=None)
def test_the_numbering_of_classes_does_not_matter(seed, other):
    p = answers(seed)
    new = np.random.default_rng(other).permutation(CLASSES)
    q = replace(p, y=new[p.y], probabilities=p.probabilities[:, np.argsort(new)])
    for metric in (one_vs_rest, brier_score):
        one, two = metric(p), metric(q)
        assert all(two[k] == (None if v is None else pytest.approx(v)) for k, v in one.items())


def test_without_probabilities_the_names_are_there_and_missing():
    known, unknown = answers(2), replace(answers(2), probabilities=None)
    for metric in (one_vs_rest, brier_score, top5_accuracy):
        assert metric(unknown).keys() == metric(known).keys()
        assert set(metric(unknown).values()) == {None}


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_adaptive_ece_of_distinct_confidences_has_bins_of_equal_mass(seed):
    generator = np.random.default_rng(seed)
    n = 15 * int(generator.integers(1, 20))
    p = replace(answers(seed, n=n), confidence=generator.permutation(np.linspace(0.2, 1, n)))
    order = np.argsort(p.confidence)
    gaps = [
        len(part) / n * abs(p.correct[part].mean() - p.confidence[part].mean())
        for part in np.array_split(order, 15)
    ]
    assert adaptive_ece(p)["adaptive_ece"] == pytest.approx(sum(gaps))


@given(seeds, st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_adaptive_ece_does_not_depend_on_the_order_of_ties(seed, n):
    p = answers(seed, n=n)
    order = np.random.default_rng(seed).permutation(n)
    value = adaptive_ece(p)["adaptive_ece"]
    assert adaptive_ece(p.where(order))["adaptive_ece"] == pytest.approx(value)
    assert 0 <= value <= 1
    same = replace(p, confidence=np.full(n, 0.5))
    gap = abs(p.correct.mean() - 0.5)
    assert adaptive_ece(same)["adaptive_ece"] == pytest.approx(gap)
    assert ece(same)["ece"] == pytest.approx(gap)
