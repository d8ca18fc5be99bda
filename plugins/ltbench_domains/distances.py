"""Distances between the feature distributions of domains."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def weighted_moments(features: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and covariance of each domain's features.

    Args:
        features: (D, m, F).
        weights: (D, m), summing to 1 in each domain.

    Returns:
        Means (D, F) and covariances (D, F, F), normalised by the sum of the weights.
    """
    means = torch.einsum("dm,dmf->df", weights, features)
    centred = features - means.detach()[:, None]  # as in sample_moments
    return means, (weights[..., None] * centred).mT @ centred


def sample_moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and covariance of each domain's features, the latter over m − 1 as CORAL has it.

    Args:
        features: (D, m, F).

    Returns:
        Means (D, F) and covariances (D, F, F); the covariance of a single image is 0.
    """
    means = features.mean(1)
    # The covariance has no derivative by the means: the differences from them sum to 0.
    centred = features - means.detach()[:, None]
    return means, centred.mT @ centred / max(features.shape[1] - 1, 1)


def moment_distance(means: Tensor, covariances: Tensor) -> Tensor:
    """Return the mean over domain pairs of the mean squared differences of both moments.

    With one domain there is no pair and the distance is 0.

    Args:
        means: (D, F).
        covariances: (D, F, F).
    """
    return squared_gaps(means).mean() + squared_gaps(covariances).mean()


def squared_gaps(values: Tensor) -> Tensor:
    """Return the mean over pairs of domains of the squared difference of their values.

    That is twice the variance over the domains, with D − 1 in the denominator. With one domain
    there is no pair and the difference is 0.

    Args:
        values: (D, …).

    Returns:
        The mean of every entry, (…).
    """
    return 2 * values.var(0) if len(values) > 1 else 0.0 * values[0]


def gaussian_mmd(features: Tensor, gammas: Tensor | Sequence[float]) -> Tensor:
    """Return the mean over domain pairs of the squared maximum mean discrepancy.

    The kernel is Σ exp(−γ·‖a − b‖²) over ``gammas``; the means run over all pairs of images, an
    image with itself included. With one domain the distance is 0.

    Args:
        features: (D, m, F).
        gammas: inverse squared bandwidths, (number of them,); numbers are copied to the device.
    """
    domains, images = features.shape[:2]
    if domains == 1:
        return features.sum() * 0.0
    flat = features.flatten(0, 1)
    # ‖a‖² + ‖b‖² − 2ab loses the small distances, which the narrow kernels live on.
    squared = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist").square()
    scales = gammas if isinstance(gammas, Tensor) else features.new_tensor(gammas)
    kernel = torch.exp(-scales.view(-1, 1, 1) * squared)
    means = kernel.view(-1, domains, images, domains, images).sum((0, 2, 4)) / images**2
    # Σ over pairs of k(d, d) + k(e, e) − 2·k(d, e), without the pairs: each domain is in D − 1.
    pairs = domains * (domains - 1) / 2
    return (domains * means.diagonal().sum() - means.sum()) / pairs
