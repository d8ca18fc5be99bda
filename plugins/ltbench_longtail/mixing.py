"""Mixing images with others of the same domain."""

from __future__ import annotations

from dataclasses import replace

import torch
from ltbench_domains.mixing import sample_beta
from torch import Tensor

from ltbench.api import Batch


def mixed_pair(
    batch: Batch, alpha: float, generator: torch.Generator
) -> tuple[Batch, Batch, Tensor]:
    """Return the images mixed with partners of the same domain.

    Args:
        batch: the images.
        alpha: parameter of λ ~ Beta(α, α); 0 mixes nothing.
        generator: draws λ, one for the batch, and the partners.

    Returns:
        A batch of λ·x + (1 − λ)·x' with the classes of x, the same images with the classes y' of
        the partners, and λ, a scalar. Where images were mixed before, both have their second
        classes.
    """
    device = batch.x.device
    if alpha == 0:
        return batch, batch, torch.ones((), device=device)
    share = sample_beta(alpha, 1, generator).squeeze()
    keys = torch.rand(len(batch), device=device, generator=generator)
    order = batch.per_domain(keys).argsort(1)
    first = torch.arange(batch.num_domains, device=device)[:, None] * order.shape[1]
    partner = (order + first).flatten()
    x = share * batch.x + (1 - share) * batch.x[partner]
    second = batch.mixed and replace(batch.mixed, y=batch.mixed.y[partner])
    return replace(batch, x=x), replace(batch, x=x, y=batch.y[partner], mixed=second), share


def mix_within_domains(
    batch: Batch, alpha: float, generator: torch.Generator
) -> tuple[Batch, Tensor, Tensor]:
    """Return what :func:`mixed_pair` does, of the partners their classes (N,) alone."""
    mixed, partners, share = mixed_pair(batch, alpha, generator)
    return mixed, partners.y, share
