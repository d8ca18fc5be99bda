"""Mixing images with others of the same domain."""

from __future__ import annotations

from dataclasses import replace

import torch
from ltbench_domains.mixing import sample_beta
from torch import Tensor

from ltbench.api import Batch


def mix_within_domains(
    batch: Batch, alpha: float, generator: torch.Generator
) -> tuple[Batch, Tensor, Tensor]:
    """Return the images mixed with partners of the same domain.

    Args:
        batch: the images.
        alpha: parameter of λ ~ Beta(α, α); 0 mixes nothing.
        generator: draws λ, one for the batch, and the partners.

    Returns:
        A batch of λ·x + (1 − λ)·x' with the classes of x, the classes y' (N,) of the partners, and
        λ, a scalar.
    """
    device = batch.x.device
    if alpha == 0:
        return batch, batch.y, torch.ones((), device=device)
    share = sample_beta(alpha, 1, generator).squeeze()
    keys = torch.rand(len(batch), device=device, generator=generator)
    order = batch.per_domain(keys).argsort(1)
    first = torch.arange(batch.num_domains, device=device)[:, None] * order.shape[1]
    partner = (order + first).flatten()
    mixed = share * batch.x + (1 - share) * batch.x[partner]
    return replace(batch, x=mixed), batch.y[partner], share
