"""Random shares of a mixture."""

from __future__ import annotations

import torch
from torch import Tensor


def sample_beta(alpha: float, count: int, generator: torch.Generator) -> Tensor:
    """Return ``count`` draws of Beta(α, α), on the generator's device.

    ``torch.distributions.Beta`` takes no generator; this is the sampler beneath it.
    """
    parameters = torch.full((count, 2), alpha, device=generator.device)
    return torch._sample_dirichlet(parameters, generator=generator)[:, 0]
