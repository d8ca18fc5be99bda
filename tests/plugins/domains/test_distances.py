from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ltbench_domains.distances import (
    gaussian_mmd,
    moment_distance,
    sample_moments,
    weighted_moments,
)


def coral_in_numpy(features):
    terms = []
    for i in range(len(features)):
        for j in range(i + 1, len(features)):
            a, b = features[i], features[j]
            means = (a.mean(0) - b.mean(0)) ** 2
            covariances = (np.cov(a, rowvar=False) - np.cov(b, rowvar=False)) ** 2
            terms.append(means.mean() + covariances.mean())
    return np.mean(terms)


def mmd_in_numpy(features, gammas):
    def mean_kernel(a, b):
        total = 0.0
        for u in a:
            for v in b:
                total += sum(np.exp(-g * ((u - v) ** 2).sum()) for g in gammas)
        return total / (len(a) * len(b))

    terms = []
    for i in range(len(features)):
        for j in range(i + 1, len(features)):
            a, b = features[i], features[j]
            terms.append(mean_kernel(a, a) + mean_kernel(b, b) - 2 * mean_kernel(a, b))
    return np.mean(terms)


def draw(domains=3, images=5, width=4, seed=0):
    return torch.randn(
        domains, images, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def test_moment_distance_is_corals():
    features = draw()
    ours = moment_distance(*sample_moments(features))
    assert float(ours) == pytest.approx(coral_in_numpy(features.numpy()), abs=1e-10)


def test_mmd_is_the_mean_of_kernels_over_pairs_of_images():
    features = draw()
    gammas = (1e-3, 0.1, 10.0)
    assert float(gaussian_mmd(features, gammas)) == pytest.approx(
        mmd_in_numpy(features.numpy(), gammas), abs=1e-10
    )


@pytest.mark.parametrize(
    "distance", [lambda f: moment_distance(*sample_moments(f)), lambda f: gaussian_mmd(f, (0.1,))]
)
class TestBothDistances:
    def test_of_identical_domains_is_zero_with_a_finite_gradient(self, distance):
        features = draw(domains=1).repeat(3, 1, 1).requires_grad_()
        value = distance(features)
        value.backward()
        assert float(value.detach()) == pytest.approx(0, abs=1e-12)
        assert torch.isfinite(features.grad).all()

    def test_of_one_domain_is_zero(self, distance):
        features = draw(domains=1).requires_grad_()
        value = distance(features)
        value.backward()
        assert float(value.detach()) == 0

    @settings(max_examples=20, deadline=None)
    @given(seed=st.integers(0, 1000), order=st.permutations(range(4)))
    def test_does_not_depend_on_the_order_of_domains(self, distance, seed, order):
        features = draw(domains=4, seed=seed)
        torch.testing.assert_close(distance(features), distance(features[list(order)]))

    def test_of_single_images_is_finite(self, distance):
        assert torch.isfinite(distance(draw(images=1)))


def test_uniform_weights_give_the_moments_up_to_the_divisor():
    features = draw()
    images = features.shape[1]
    means, covariances = weighted_moments(features, torch.full((3, images), 1 / images).double())
    expected_means, expected = sample_moments(features)
    torch.testing.assert_close(means, expected_means)
    torch.testing.assert_close(covariances, expected * (images - 1) / images)
