"""The domains of a batch in random order."""

from __future__ import annotations

import torch

from ltbench.api import Batch


def shuffled_domains(batch: Batch, generator: torch.Generator) -> list[Batch]:
    """Return the images of each domain, in random order of the domains."""
    order = torch.randperm(batch.num_domains, generator=generator, device=generator.device)
    x, y, d = (batch.per_domain(t)[order] for t in (batch.x, batch.y, batch.d))
    # Indexing on the device: to look at ``order`` here would wait for the device.
    return [Batch(x[k], y[k], d[k], num_domains=1) for k in range(batch.num_domains)]
