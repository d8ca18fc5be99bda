"""Inter-domain mixup."""

from __future__ import annotations

import torch
from torch import Tensor

from ltbench.api import Batch, MixedLabels, hparam
from ltbench_domains.composition import WithLoss, WithLossHParams
from ltbench_domains.mixing import sample_beta


class MixupHParams(WithLossHParams):
    """Hyper-parameters of inter-domain mixup."""

    alpha: float = hparam(
        0.2, low=1e-3, search=(1e-1, 1e1), log=True, help="of the Beta distribution"
    )


class Mixup(WithLoss):
    """Inter-domain mixup (Yan et al., "… domain adaptation with mixup training", 2020).

    arXiv:2001.00677, eq. 3. Domains are paired in a random circle; images of both are mixed, x =
    λ·x_i + (1 − λ)·x_j, with one λ ~ Beta(α, α) a pair, and the risk is λ·R(x, y_i) + (1 − λ)·R(x,
    y_j). Each class is judged with its own domain's counts where the loss uses counts. A single
    domain is mixed with itself, in another order.
    """

    HParams = MixupHParams
    hparams: MixupHParams
    honours = frozenset({"label_smoothing", "mixed_labels"})

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean over pairs of domains of the mixed risks."""
        domains = batch.num_domains
        images = len(batch) // domains
        device = self.generator.device
        circle = torch.randperm(domains, generator=self.generator, device=device)
        orders = torch.rand(domains, images, generator=self.generator, device=device).argsort(1)
        share = sample_beta(self.hparams.alpha, domains, self.generator)

        position = torch.arange(images, device=device)
        first = (circle[:, None] * images + position).flatten()
        second = (circle.roll(-1)[:, None] * images + orders).flatten()
        each = share.repeat_interleave(images).view(-1, *[1] * (batch.x.dim() - 1))
        x = each * batch.x[first] + (1 - each) * batch.x[second]
        logits = self.predict(x)
        of_first, of_second = labelled(x, batch, first), labelled(x, batch, second)
        own, other = self.mixed_risks(logits, of_first), self.mixed_risks(logits, of_second)
        return (share * own + (1 - share) * other).mean()


def labelled(x: Tensor, batch: Batch, rows: Tensor) -> Batch:
    """Return images with the classes and domains of others.

    Args:
        x: the images, (N, channels, H, W).
        batch: the others.
        rows: which of them, (N,), domain after domain.
    """
    mixed = batch.mixed
    if mixed is not None:
        mixed = MixedLabels(mixed.y[rows], mixed.share)
    return Batch(x, batch.y[rows], batch.d[rows], num_domains=batch.num_domains, mixed=mixed)
