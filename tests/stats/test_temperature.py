"""The temperature that makes probabilities honest, and another distribution of the classes."""

from __future__ import annotations

import numpy as np
import pytest

from ltbench.results.logits import kept_logits
from ltbench.stats.temperature import at_temperature, fitted_temperature, reweighted


def draw(true_t: float, images: int = 20_000, classes: int = 5):
    """Return logits whose softmax at ``true_t`` is the probability of the classes, and these."""
    rng = np.random.default_rng(3)
    z = rng.normal(scale=3.0, size=(images, classes)) * true_t
    p = np.exp(z / true_t - (z / true_t).max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    y = (p.cumsum(1) < rng.random(images)[:, None]).sum(1).clip(max=classes - 1)
    return z, y


@pytest.mark.parametrize("true_t", [0.4, 1.0, 3.0])
def test_the_true_temperature_is_found(true_t):
    z, y = draw(true_t)
    kept = kept_logits(z, y, np.zeros(len(y), int), np.full(len(y), "i"))
    assert fitted_temperature(kept) == pytest.approx(true_t, rel=0.05)


def test_it_is_the_smallest_loss():
    z, y = draw(2.0, images=300)
    kept = kept_logits(z, y, np.zeros(len(y), int), np.full(len(y), "i"))
    losses = {
        t: -at_temperature(kept.log_probabilities(), t)[np.arange(len(y)), y].mean()
        for t in np.geomspace(0.1, 10, 400)
    }
    assert fitted_temperature(kept) == pytest.approx(min(losses, key=losses.get), rel=0.02)


def test_there_must_be_images():
    empty = kept_logits(np.zeros((0, 3)), np.zeros(0, int), np.zeros(0, int), np.zeros(0, "U1"))
    with pytest.raises(ValueError, match="no validation images"):
        fitted_temperature(empty)


def test_reweighting_is_bayes_rule():
    p = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    q, assumed = np.array([0.2, 0.8, 0.0]), np.array([0.6, 0.3, 0.1])
    expected = p * q / assumed
    expected /= expected.sum(1, keepdims=True)
    assert np.allclose(np.exp(reweighted(np.log(p), q, assumed)), expected)
    assert np.allclose(np.exp(reweighted(np.log(p), assumed, assumed)), p)
