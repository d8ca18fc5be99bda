"""Deep feature reweighting against scikit-learn's estimators and the conditions of its optimum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ltbench_stages.dfr import NEVER, SOLVERS, STRENGTHS, Groups, chosen_strength
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from ltbench.api import Batch
from ltbench.plugins.head import Head
from ltbench.testing import SmallTraining, build_algorithm, build_stage, random_batch, train_info

TWO = [[12, 6], [3, 8]]
SKEWED = [[12, 6, 3, 0], [1, 3, 5, 8], [9, 2, 4, 1]]


def fitted(name, counts, images, base=None):
    base = base or build_algorithm("erm", train_info(counts)).eval()
    stage = build_stage(name, base)
    training = SmallTraining(stage, images)
    stage.before_step(0, training)
    with torch.no_grad():
        features = base.eval().features(images.x).double().numpy()
    return stage.eval(), features, training


def balanced(info, each=6):
    """Return as many images of every pair that is in the training set."""
    y = torch.tensor([c for d, row in enumerate(info.counts) for c in row.nonzero().flatten()
                      for _ in range(each)])  # fmt: skip
    d = torch.tensor([d for d, row in enumerate(info.counts) for _ in row.nonzero().flatten()
                      for _ in range(each)])  # fmt: skip
    x = torch.randn(len(y), *info.image_shape, generator=torch.Generator().manual_seed(3))
    return Batch(x + y[:, None, None, None], y, d, num_domains=len(info.counts))


@pytest.mark.parametrize("c", [1.0, 0.3])
def test_of_two_classes_it_is_the_authors_logistic_regression(c):
    """Equally many of each group, so that every draw holds all; weights are the mean over draws."""
    images = balanced(train_info(TWO))
    stage, features, _ = fitted(f"dfr[c={c},draws=3]", TWO, images)
    scaler = StandardScaler().fit(features)
    penalty = {"l1_ratio": 1.0} if hasattr(LogisticRegression(), "l1_ratio") else {}
    model = LogisticRegression(C=c, solver="liblinear", random_state=0, **penalty)
    if not penalty.get("l1_ratio"):
        model.set_params(penalty="l1")
    model.fit(scaler.transform(features), images.y)
    expected = model.decision_function(scaler.transform(features))
    with torch.no_grad():
        logits = stage.predict(images.x).double().numpy()
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], expected, rtol=0.02, atol=0.02)


def test_one_softmax_meets_the_conditions_of_its_optimum():
    """Of ‖W‖₁ + C·Σ CE: the gradient of the second is within ±1, and −sign(W) where W ≠ 0."""
    random = np.random.default_rng(0)
    y = np.repeat(np.arange(4), 12)
    x = random.normal(size=(48, 6)) + np.eye(4, 6)[y]
    weight, bias = SOLVERS["saga"](x, y, 0.3, 5)
    assert not weight[4].any()
    z = x @ weight[:4].T + bias[:4]
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    slope = 0.3 * (p - np.eye(4)[y]).T @ x
    chosen = np.abs(weight[:4]) > 1e-3
    assert chosen.any()
    assert not chosen.all()
    np.testing.assert_allclose(slope[chosen], -np.sign(weight[:4][chosen]), atol=0.05)
    assert np.abs(slope).max() < 1.05
    np.testing.assert_allclose((p - np.eye(4)[y]).sum(0), 0, atol=0.2)


def test_of_more_classes_each_is_told_from_the_rest():
    random = np.random.default_rng(0)
    y = np.repeat([0, 2, 3], 20)
    x = random.normal(size=(60, 5)) + np.eye(4, 5)[y]
    weight, bias = SOLVERS["liblinear"](x, y, 1.0, 4)
    assert not weight[1].any()
    for one in (0, 2, 3):
        alone, own = SOLVERS["liblinear"](x, (y == one).astype(int), 1.0, 2)
        np.testing.assert_allclose(alone[1] - alone[0], weight[one], atol=1e-9)
        assert own[1] - own[0] == pytest.approx(bias[one])


def test_a_draw_has_as_many_images_of_each_pair_that_has_any():
    y = np.array([0] * 9 + [1] * 4 + [0] * 3 + [1] * 7)
    d = np.array([0] * 13 + [1] * 10)
    groups = Groups(y, d)
    assert groups.sizes.tolist() == [9, 4, 3, 7]
    random = np.random.default_rng(0)
    draws = [groups.draw(np.arange(23), random) for _ in range(50)]
    for rows in draws:
        assert np.bincount(d[rows] * 2 + y[rows]).tolist() == [3, 3, 3, 3]
        assert len(set(rows.tolist())) == 12
    assert len(np.unique(np.concatenate(draws))) == 23
    half = groups.draw(np.arange(11), random)  # of the first domain alone
    assert np.bincount(groups.of[half]).tolist() == [2, 2]


def test_the_strength_is_the_best_for_the_worst_group_on_the_other_half():
    random = np.random.default_rng(1)
    y = np.repeat([0, 1, 0, 1], 60)
    x = random.normal(size=(240, 40))
    x[:, 0] += 1.5 * (y - 0.5)  # one feature tells, 39 are noise
    groups = Groups(y, np.repeat([0, 0, 1, 1], 60))
    seen = []

    def fit(x, y, c, classes):
        seen.append(len(y))
        return SOLVERS["liblinear"](x, y, c, classes)

    c = chosen_strength(x, groups, fit, np.random.default_rng(2))
    assert c in STRENGTHS[1:]  # a weak penalty lets the noise in
    assert len(seen) == len(STRENGTHS)
    assert max(seen) <= 120


def test_pairs_without_images_are_told_and_a_class_without_any_is_never_the_answer():
    info = train_info(SKEWED)
    images = balanced(info)
    keep = (images.y != 3) & ~((images.y == 1) & (images.d == 2))
    images = Batch(images.x[keep], images.y[keep], images.d[keep], num_domains=3)
    stage, _, training = fitted("dfr[c=1,draws=2]", SKEWED, images)
    assert training.said == [
        "dfr trains on 6 of the validation images of each of 8 domain-class pairs, in draws of 48 "
        "of 48; 4 pairs have none and take no part"
    ]
    with torch.no_grad():
        logits = stage.predict(images.x)
    assert bool((logits[:, 3] == NEVER).all())
    assert set(logits.argmax(1).tolist()) <= {0, 1, 2}


def test_draws_are_those_of_the_seed():
    images = random_batch(train_info(SKEWED, batch_per_domain=20))
    base = build_algorithm("erm", train_info(SKEWED))
    found = []
    for seed in (0, 0, 1):
        stage = build_stage("dfr[c=1,draws=1]", base, seed=seed)
        stage.before_step(0, SmallTraining(stage, images))
        found.append(stage.classifier.weight.clone())
    assert found[0].equal(found[1])
    assert not found[0].equal(found[2])


def test_a_class_without_images_to_fit_takes_no_answer_when_the_strength_is_chosen():
    random = np.random.default_rng(0)
    y = np.repeat([0, 2, 3, 4, 5, 6, 7], 40)  # none of class 1
    x = random.normal(size=(len(y), 80)) + 1.2 * np.eye(8, 80)[y]
    groups, seen = Groups(y, np.zeros_like(y)), []

    def fit(x, y, c, classes):
        weight, bias = SOLVERS["liblinear"](x, y, c, classes)
        seen.append((weight, bias))
        return weight, bias

    chosen_strength(x, groups, fit, np.random.default_rng(2))
    assert all(bias[1] == NEVER for _, bias in seen), "0 would win where all others are below it"


def test_of_one_image_no_strength_can_be_chosen():
    groups = Groups(np.array([1]), np.array([0]))
    assert chosen_strength(np.ones((1, 3)), groups, None, np.random.default_rng(0)) == STRENGTHS[0]


def test_it_is_linear_behind_a_cosine_classifier():
    info = replace(train_info(SKEWED), head=Head(kind="cosine"))
    images = balanced(info)
    base = build_algorithm("erm", info).eval()
    stage, features, _ = fitted("dfr[c=1,draws=2]", SKEWED, images, base)
    with torch.no_grad():
        logits = stage.predict(images.x)
        weight, bias = (t.numpy() for t in (stage.classifier.weight, stage.classifier.bias))
    np.testing.assert_allclose(logits, features @ weight.T + bias, rtol=1e-3, atol=1e-3)
