"""Weights by class frequency, shared by the re-weighting losses."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ltbench.api import Batch


def mean_one(weights: Tensor, counts: Tensor) -> Tensor:
    """Scale weights to mean 1 over the classes present; absent classes get weight 0.

    Args:
        weights: (…, C), not negative; their value at an absent class is ignored, ``inf`` included.
        counts: training images per class, (…, C).
    """
    present = counts > 0
    kept = weights.where(present, 0.0)
    mean = kept.sum(-1, keepdim=True) / present.sum(-1, keepdim=True).clamp(min=1)
    return kept / mean.where(mean > 0, 1.0)


def power_weights(counts: Tensor, power: float) -> Tensor:
    """Return weights ∝ 1 / n^power with mean 1 over the classes present, (…, C) float32.

    Args:
        counts: training images per class, (…, C).
        power: 1 weights every class alike, 0 every image.
    """
    return mean_one(counts.double().clamp(min=1) ** -power, counts).float()


def effective_weights(counts: Tensor, beta: float) -> Tensor:
    """Return (1 − β) / (1 − β^n) with mean 1 over the classes present, (…, C) float32.

    1 − β^n is computed as −expm1(n·log β), which is exact where β is near 1 and where n is large.
    With β = 1 the weights are their limit, 1 / n.

    Args:
        counts: training images per class, (…, C).
        beta: in 0…1.
    """
    if beta == 1:
        return power_weights(counts, 1.0)
    log_beta = math.log(beta) if beta > 0 else -math.inf
    effective = -torch.expm1(counts.double().clamp(min=1) * log_beta) / (1 - beta)
    return mean_one(1 / effective, counts).float()


def weighted_risks(nll: Tensor, weights: Tensor, batch: Batch) -> Tensor:
    """Return the weighted mean Σ w·nll / Σ w of each domain in the batch, (domains,).

    Args:
        nll: loss of each image, (N,).
        weights: weight of each image, (N,), not negative.
        batch: the images' classes and domains.
    """
    grouped = batch.per_domain(weights)
    sums = grouped.sum(1)
    return (grouped * batch.per_domain(nll)).sum(1) / sums.where(sums > 0, 1.0)
