"""Accuracy under other class distributions, and estimators of one, against independent sums."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp, softmax

from ltbench.results.logits import Logits, kept_logits
from ltbench.stats.label_shift import (
    Source,
    _ratios,
    bbse,
    corrected_answers,
    fitted_source,
    image_weights,
    mlls,
    pair_hits,
    plain_answers,
    prior_accuracy,
    total_variation,
)

MEANS = np.array([[0, 0], [2.0, 0], [0, 2.0], [2.0, 2.0], [4.0, 1.0]])
CLASSES = len(MEANS)
TRAIN = np.array([0.5, 0.25, 0.15, 0.07, 0.03])
SHIFTED = np.array([0.05, 0.1, 0.2, 0.25, 0.4])


def draw(prior, number, seed, domains=1):
    """Draw images of a Gaussian model: points, classes, domains."""
    rng = np.random.default_rng(seed)
    y = rng.choice(CLASSES, size=number, p=prior)
    return MEANS[y] + rng.normal(size=(number, 2)), y, rng.integers(domains, size=number)


def posterior_logits(x, prior):
    """Return the logits of the model that knows the Gaussians and this prior."""
    distance = ((x[:, None, :] - MEANS) ** 2).sum(-1)
    return -distance / 2 + np.log(prior)


def model(x, y, d, prior=TRAIN) -> Logits:
    names = np.array([f"image {i}" for i in range(len(y))])
    return kept_logits(posterior_logits(x, prior), y, d, names)


def even(logits: Logits) -> np.ndarray:
    return np.full(len(logits), 1 / len(logits))


def test_weighted_accuracy_is_that_of_resampled_test_sets():
    rng = np.random.default_rng(1)
    sizes = np.array([[40, 60, 0, 30, 50], [50, 20, 30, 40, 60]])  # a pair has no test image
    d, y = (a.repeat(sizes.ravel()) for a in map(np.ravel, np.mgrid[:2, :CLASSES]))
    answers = np.where(rng.random(len(y)) < 0.4 + 0.1 * y, y, (y + 1) % CLASSES)
    hits, counts = pair_hits(y, d, answers, (2, CLASSES))
    assert np.array_equal(counts, sizes)
    found, error = prior_accuracy(hits, counts, SHIFTED)
    sets = []
    for _ in range(400):  # of 500 images: a class by q, one of its domains, one of their images
        right = 0
        for c, n in enumerate(rng.multinomial(500, SHIFTED)):
            places = [np.flatnonzero((y == c) & (d == k)) for k in (0, 1) if sizes[k, c]]
            for k in rng.integers(len(places), size=n):
                i = rng.choice(places[k])
                right += answers[i] == y[i]
        sets.append(right / 500)
    assert abs(found - np.mean(sets)) < 4 * np.std(sets) / np.sqrt(len(sets))
    again = []
    for _ in range(4000):
        drawn = rng.binomial(counts, np.divide(hits, np.maximum(counts, 1)))
        again.append(prior_accuracy(drawn, counts, SHIFTED)[0])
    assert error == pytest.approx(np.std(again), rel=0.05)
    weights = image_weights(y, d, SHIFTED, (2, CLASSES))
    assert weights.sum() == pytest.approx(1)
    assert (weights * (answers == y)).sum() == pytest.approx(found)


def test_uniform_is_the_mean_of_the_recalls_and_absent_classes_are_missing():
    hits, counts = np.array([[3, 1, 0]]), np.array([[4, 2, 0]])
    value, _ = prior_accuracy(hits, counts, np.array([0.5, 0.5, 0]))
    assert value == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert np.isnan(prior_accuracy(hits, counts, np.full(3, 1 / 3))).all()


def test_a_known_prior_gives_the_answers_of_bayes_rule():
    x, y, d = draw(SHIFTED, 3000, 2)
    logits = model(x, y, d)
    found = corrected_answers(logits, SHIFTED, Source(TRAIN))
    p = softmax(posterior_logits(x, TRAIN), axis=1)
    slow = [max(range(CLASSES), key=lambda c: p[i, c] * SHIFTED[c] / TRAIN[c]) for i in range(3000)]
    assert (found == slow).mean() > 0.998  # float16 leaves a few at the border
    best = posterior_logits(x, SHIFTED).argmax(1)
    assert (found == best).mean() > 0.998
    assert (found == y).mean() > (plain_answers(logits) == y).mean() + 0.05
    without = np.array([0, 0.5, 0.5, 0, 0])
    assert set(corrected_answers(logits, without, Source(TRAIN))) == {1, 2}
    assert np.array_equal(corrected_answers(logits, TRAIN, Source(TRAIN)), plain_answers(logits))


@pytest.mark.parametrize("prior", [SHIFTED, TRAIN, np.array([0.96, 0.01, 0.01, 0.01, 0.01])])
def test_em_and_bbse_recover_the_prior_of_simulated_shifts(prior):
    far = {"mlls": [], "bbse": []}
    for seed in range(12):
        test = model(*draw(prior, 4000, 10 + seed))
        validation = model(*draw(np.full(CLASSES, 0.2), 4000, 50 + seed))
        for name, estimate in (
            ("mlls", mlls(test, Source(TRAIN), even(test))),
            ("bbse", bbse(validation, test, even(test), (1, CLASSES))),
        ):
            assert not estimate.problem
            assert estimate.prior.sum() == pytest.approx(1)
            far[name].append(estimate.prior - prior)
    for name, differences in far.items():
        spread = np.std(differences, axis=0, ddof=1) / np.sqrt(len(differences))
        assert np.abs(differences).max() < 0.06, name
        assert (np.abs(np.mean(differences, axis=0)) < 4 * spread + 0.003).all(), name
    # With probabilities that are calibrated the likelihood loses less (Alexandari et al. 2020).
    assert np.square(far["mlls"]).mean() < np.square(far["bbse"]).mean()


def test_em_ends_at_the_largest_likelihood():
    test = model(*draw(SHIFTED, 500, 3))
    weights = np.random.default_rng(0).dirichlet(np.ones(500))
    found = mlls(test, Source(TRAIN), weights)
    ratios = test.probabilities() / TRAIN

    def loss(free):
        q = softmax(np.append(free, 0))
        return -weights @ np.log(ratios @ q)

    best = minimize(loss, np.zeros(CLASSES - 1), method="BFGS", options={"gtol": 1e-9})
    ours = -weights @ np.log(ratios @ found.prior)
    assert 500 * (ours - best.fun) < 0.051
    assert np.allclose(found.prior, softmax(np.append(best.x, 0)), atol=0.02)


@pytest.mark.parametrize("seed", range(12))
def test_em_never_strides_past_the_largest_likelihood(seed):
    """Of few images and a prior that is far off, a stride of the accelerated steps is too long."""
    rng = np.random.default_rng(seed)
    z = 2 * rng.normal(size=(20, 4)) - 2 * np.eye(4)[0]
    none, prior = np.zeros(20, np.int64), np.array([0.97, 0.01, 0.01, 0.01])
    kept = kept_logits(z, none, none, np.full(20, ""))
    p = softmax(z, axis=1)

    def likelihood(q):
        return float(np.log(p @ (q / prior)).sum())

    q = prior
    for _ in range(5000):
        q = (p * q / prior / (p @ (q / prior))[:, None]).mean(0)
    assert likelihood(mlls(kept, Source(prior), even(kept)).prior) > likelihood(q) - 0.02


def test_several_weightings_at_once_are_each_alone():
    test = model(*draw(SHIFTED, 300, 4))
    weights = np.random.default_rng(0).dirichlet(np.ones(300), size=2).T
    both = mlls(test, Source(TRAIN), weights)
    assert both.prior.shape == (CLASSES, 2)
    for i in range(2):
        alone = mlls(test, Source(TRAIN), weights[:, i])
        assert np.allclose(both.prior[:, i], alone.prior, atol=0.02)


def test_weights_emulate_a_shifted_test_set():
    """A balanced test set that is weighted says what one of that distribution says."""
    balanced = model(*draw(np.full(CLASSES, 0.2), 20_000, 5))
    weights = image_weights(balanced.classes, balanced.domains, SHIFTED, (1, CLASSES))
    validation = model(*draw(np.full(CLASSES, 0.2), 20_000, 6))
    likely = mlls(balanced, Source(TRAIN), weights)
    assert total_variation(likely.prior, SHIFTED) < 0.02
    solved = bbse(validation, balanced, weights, (1, CLASSES))
    assert total_variation(solved.prior, SHIFTED) < 0.06


def test_bbse_solves_the_equations_of_a_loop():
    validation, test = model(*draw(TRAIN, 900, 7, domains=2)), model(*draw(SHIFTED, 400, 8))
    confusion = np.zeros((CLASSES, CLASSES))
    answers = plain_answers(validation)
    for c in range(CLASSES):
        domains = set(validation.domains[validation.classes == c])
        for k in domains:
            own = answers[(validation.classes == c) & (validation.domains == k)]
            for i in range(CLASSES):
                confusion[i, c] += (own == i).mean() / len(domains)
    answered = np.bincount(plain_answers(test), minlength=CLASSES) / len(test)
    expected = np.clip(np.linalg.solve(confusion, answered), 0, None)
    found = bbse(validation, test, even(test), (2, CLASSES)).prior
    assert np.allclose(found, expected / expected.sum())


def test_bbse_says_where_it_has_no_answer():
    x, y, d = draw(np.full(CLASSES, 0.2), 500, 9)
    test = model(x, y, d)
    keeps_quiet = kept_logits(np.where(np.arange(CLASSES) == 4, -99, posterior_logits(x, TRAIN)),
                              y, d, test.images)  # fmt: skip
    singular = bbse(keeps_quiet, keeps_quiet, even(test), (1, CLASSES))
    assert "singular" in singular.problem
    assert np.isnan(singular.prior).all()
    known = y != 2
    few = model(x[known], y[known], d[known])
    assert bbse(few, test, even(test), (1, CLASSES)).problem == "a class has no validation image"


def test_a_fitted_source_mends_a_model_that_is_not_calibrated():
    x, y, d = draw(np.full(CLASSES, 0.2), 8000, 11, domains=2)
    bias = np.array([1.0, -2.0, 0.5, 0.0, 0.3])
    z = 3 * posterior_logits(x, np.full(CLASSES, 0.2)) + bias
    fitted = fitted_source(kept_logits(z, y, d, np.array(["i"] * len(y))), (2, CLASSES))
    assert fitted.temperature == pytest.approx(3, rel=0.1)
    ours = fitted.bias - fitted.bias.mean()
    assert np.allclose(ours, -(bias - bias.mean()) / 3, atol=0.15)
    x, y, d = draw(SHIFTED, 8000, 12)
    test = kept_logits(3 * posterior_logits(x, np.full(CLASSES, 0.2)) + bias, y, d,
                       np.array(["i"] * len(y)))  # fmt: skip
    assert total_variation(mlls(test, fitted, even(test)).prior, SHIFTED) < 0.03
    with pytest.raises(ValueError, match="4 classes have no validation image"):
        fitted_source(test.rows(np.flatnonzero(y == 1)), (1, CLASSES))


def test_the_loss_of_the_fit_has_the_gradient_it_says():
    """The optimum has a smaller loss than its neighbours, computed apart."""
    x, y, d = draw(np.full(CLASSES, 0.2), 400, 13)
    val = kept_logits(2 * posterior_logits(x, TRAIN), y, d, np.array(["i"] * 400))
    fitted = fitted_source(val, (1, CLASSES))
    weights = image_weights(y, d, np.full(CLASSES, 0.2), (1, CLASSES))

    def loss(temperature, bias):
        z = log_softmax(val.logits.astype(float), axis=1) / temperature + bias
        return -weights @ (z[np.arange(400), y] - logsumexp(z, axis=1))

    best = loss(fitted.temperature, fitted.bias)
    for factor in (0.98, 1.02):
        assert loss(fitted.temperature * factor, fitted.bias) > best
    for c in range(CLASSES):
        for step in (-0.02, 0.02):
            assert loss(fitted.temperature, fitted.bias + step * (np.arange(CLASSES) == c)) > best


@pytest.fixture(scope="module")
def many():
    """1,200 classes: the logits of a model, as they are kept, and in full."""
    rng = np.random.default_rng(0)
    classes, rows = 1200, 400
    train = 1 / np.arange(1, classes + 1)
    train /= train.sum()
    y = rng.choice(np.arange(0, classes, 60), size=rows)
    z = rng.normal(size=(rows, classes)) + np.log(train)
    z[np.arange(rows), y] += 9
    names = np.array(["i"] * rows)
    kept = kept_logits(z, y, np.zeros(rows, int), names)
    full = Logits((z - z.max(1, keepdims=True)).astype(np.float16), y, np.zeros(rows, int), names)
    assert kept.top is not None
    assert full.top is None
    return kept, full, train


def test_of_many_classes_the_kept_logits_give_the_answers_of_all(many):
    kept, full, train = many
    source = Source(train)
    for prior in (np.full(1200, 1 / 1200), train, train[::-1]):
        ours, all_ = (corrected_answers(part, prior, source) for part in (kept, full))
        right = [(part == kept.classes).mean() for part in (ours, all_)]
        assert abs(right[0] - right[1]) < 0.03
        assert (ours == all_).mean() > 0.9
    assert np.array_equal(plain_answers(kept), plain_answers(full))


def test_of_many_classes_em_computes_what_the_spread_probabilities_say(many):
    kept, full, train = many
    rng = np.random.default_rng(1)
    q, v = rng.dirichlet(np.ones(1200), size=2).T, rng.random((400, 2))
    for source in (Source(train), Source(np.full(1200, 1 / 1200), 1.7, np.linspace(-1, 1, 1200))):
        temperature, dense = source.temperature, np.empty((400, 1200))
        for i, (p, top) in enumerate(zip(kept.probabilities(), kept.top, strict=True)):
            others = np.setdiff1d(np.arange(1200), top)
            share = np.exp(temperature * source.offset[others])
            p[others] = p[others].sum() * share / share.sum()
            dense[i] = p ** (1 / temperature) * np.exp(-source.offset)
        quick, scale = _ratios(kept, source), dense.max(axis=1, keepdims=True)
        dense /= scale
        assert np.allclose(quick @ q, dense @ q)
        assert np.allclose(quick.T @ v, dense.T @ v)
        likelihoods = source.likelihoods(kept)
        assert np.allclose(likelihoods - likelihoods.max(axis=1, keepdims=True), np.log(dense))
    whole, ours = (mlls(part, Source(train), even(part)).prior for part in (full, kept))
    truth = np.bincount(kept.classes, minlength=1200) / 400
    assert total_variation(whole, truth) < 0.1
    assert total_variation(ours, whole) < 0.05
