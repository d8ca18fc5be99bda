"""Random shares of a mixture."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_OF_TORCH = 0.1
"""The least α of torch's sampler. It divides two gamma draws, which in float32, as GPUs compute it,
both come to be 0 in e^(−175·α) of the draws: the share is ½ then, and should be next to 0 or 1."""
_LEAST = 1e-30  # of float32; shares are 0 and 1 long before


def sample_beta(alpha: float, count: int, generator: torch.Generator) -> Tensor:
    """Return ``count`` draws of Beta(α, α), on the generator's device.

    ``torch.distributions.Beta`` takes no generator; this is the sampler beneath it. Of an α below
    :data:`LEAST_OF_TORCH` the logarithms of gamma draws are subtracted: that of Gamma(α) is that of
    Gamma(α + 1) plus log u / α, u uniform (Marsaglia & Tsang, ACM TOMS 26, 2000, section 6).
    """
    device = generator.device
    if alpha >= LEAST_OF_TORCH:
        parameters = torch.full((count, 2), alpha, device=device)
        return torch._sample_dirichlet(parameters, generator=generator)[:, 0]
    gamma = torch._standard_gamma(torch.full((count, 2), alpha + 1, device=device), generator)
    uniform = 1 - torch.rand(count, 2, device=device, generator=generator)  # never 0
    return (gamma.log() + uniform.log() / max(alpha, _LEAST)).softmax(1)[:, 0]
