"""What methods share that take steps on one domain after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ltbench.api import Batch


def shuffled_domains(batch: Batch, generator: torch.Generator) -> list[Batch]:
    """Return the images of each domain, in random order of the domains."""
    order = torch.randperm(batch.num_domains, generator=generator, device=generator.device)
    return list(_in_order(batch, order).by_domain())


def _in_order(batch: Batch, order: Tensor) -> Batch:
    """Return a batch whose domains stand in another order, (domains,)."""
    # Indexing on the device: to look at ``order`` here would wait for the device.
    y, d, *views = (
        batch.per_domain(t)[order].flatten(0, 1) for t in (batch.y, batch.d, *batch.views)
    )
    mixed, second = batch.mixed, batch.second
    if mixed is not None:
        mixed = replace(mixed, y=batch.per_domain(mixed.y)[order].flatten())
    if second is not None:
        second = _in_order(second, order)
    return Batch(views[0], y, d, batch.num_domains, mixed, tuple(views), second)


def copied(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    """Return the values of parameters, in one pass over all of them."""
    values = [torch.empty_like(parameter) for parameter in parameters]
    with torch.no_grad():
        torch._foreach_copy_(values, list(parameters))
    return values
