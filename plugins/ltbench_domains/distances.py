"""Distances between the feature distributions of domains."""

from __future__ import annotations

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
    centred = features - means[:, None]
    return means, torch.einsum("dm,dmf,dmg->dfg", weights, centred, centred)


def sample_moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and covariance of each domain's features, the latter over m − 1 as CORAL has it.

    Args:
        features: (D, m, F).

    Returns:
        Means (D, F) and covariances (D, F, F); the covariance of a single image is 0.
    """
    means = features.mean(1)
    centred = features - means[:, None]
    covariances = torch.einsum("dmf,dmg->dfg", centred, centred)
    return means, covariances / max(features.shape[1] - 1, 1)


def moment_distance(means: Tensor, covariances: Tensor) -> Tensor:
    """Return the mean over domain pairs of the mean squared differences of both moments.

    With one domain there is no pair and the distance is 0.

    Args:
        means: (D, F).
        covariances: (D, F, F).
    """
    first, second = domain_pairs(len(means), means.device)
    if not len(first):
        return means.sum() * 0.0
    of_means = (means[first] - means[second]).square().mean()
    return of_means + (covariances[first] - covariances[second]).square().mean()


def gaussian_mmd(features: Tensor, gammas: tuple[float, ...]) -> Tensor:
    """Return the mean over domain pairs of the squared maximum mean discrepancy.

    The kernel is Σ exp(−γ·‖a − b‖²) over ``gammas``; the means run over all pairs of images, an
    image with itself included. With one domain the distance is 0.

    Args:
        features: (D, m, F).
        gammas: inverse squared bandwidths.
    """
    domains, images = features.shape[:2]
    flat = features.flatten(0, 1)
    # ‖a‖² + ‖b‖² − 2ab loses the small distances, which the narrow kernels live on.
    squared = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist").square()
    kernel = torch.stack([torch.exp(-gamma * squared) for gamma in gammas]).sum(0)
    means = kernel.view(domains, images, domains, images).mean((1, 3))
    first, second = domain_pairs(domains, features.device)
    if not len(first):
        return features.sum() * 0.0
    return (means[first, first] + means[second, second] - 2 * means[first, second]).mean()


def domain_pairs(count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the indices of all pairs of ``count`` domains, each pair once."""
    first, second = torch.triu_indices(count, count, offset=1, device=device)
    return first, second
