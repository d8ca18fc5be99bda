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


def domain_pairs(count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the indices of all pairs of ``count`` domains, each pair once."""
    first, second = torch.triu_indices(count, count, offset=1, device=device)
    return first, second
