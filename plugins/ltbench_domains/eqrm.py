"""Empirical quantile risk minimisation."""

from __future__ import annotations

from statistics import NormalDist

import torch
from torch import Tensor
from torch.optim import Optimizer

from ltbench.api import Backbone, Batch, TrainInfo, hparam
from ltbench_domains.annealing import Annealed
from ltbench_domains.composition import WithLossHParams
from ltbench_domains.schedule import in_proportion

PARTS, ROUNDS = 1024, 2
SMALLEST_VARIANCE = 1e-8


class EQRMHParams(WithLossHParams):
    """Hyper-parameters of EQRM."""

    quantile: float = hparam(
        0.75, low=0.01, high=0.999, search=(0.5, 0.99), help="α, the share of domains to do well on"
    )
    burn_in: int = hparam(
        2500, low=0, search=(300, 3200), log=True, help="steps of 5001 with the mean risk"
    )
    lr_share: float = hparam(
        0.02, low=0.0, high=1.0, search=(1e-3, 1.0), log=True, help="of the lr after the burn-in"
    )


class EQRM(Annealed):
    """EQRM (Eastwood et al., "Probable domain generalization", NeurIPS 2022, arXiv:2207.09944).

    The objective is the α-quantile of the distribution of risks over domains (their eq. 4.1), which
    is estimated by Gaussian kernels at the domains' risks with the bandwidth 1.06·s·D^(−1/5).
    Before the end of the burn-in it is their mean; then the optimiser starts anew with a smaller
    learning rate (in DomainBed 1e-6 after 5e-5).

    The quantile is differentiated as the implicit function that it is: each domain's share of the
    gradient is its kernel's density there. DomainBed's code differentiates through the ends of a
    bisection, so that its gradient is of the best and the worst risk, in the proportion in which
    the quantile lies between them, and of the other domains' through the bandwidth alone.
    """

    HParams = EQRMHParams
    hparams: EQRMHParams
    honours = frozenset({"label_smoothing", "mixed_labels"})
    min_domains = 2

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: EQRMHParams) -> None:
        super().__init__(
            backbone, train_info, hparams, after=in_proportion(hparams.burn_in, train_info.steps)
        )

    def fresh_optimizers(self) -> dict[str, Optimizer]:
        """Return the protocol's optimiser with the learning rate of the quantile."""
        optimizers = super().fresh_optimizers()
        for group in optimizers["main"].param_groups:
            group["lr"] *= self.hparams.lr_share
        return optimizers

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean risk, or the quantile of the risks after the burn-in."""
        risks = self.mixed_risks(self.predict(batch.x), batch)
        risk = risks.mean()
        total = kernel_quantile(risks, self.hparams.quantile) if self.annealed else risk
        return {"total": total, "risk": risk}


def kernel_quantile(values: Tensor, level: float) -> Tensor:
    """Return the quantile of a Gaussian kernel density estimate, differentiable in the values.

    The quantile q solves F(q; values) = level. It is enclosed ever closer, by looking at
    :data:`PARTS` parts of an interval at once, and one Newton step from there carries the
    derivative of the implicit function, −(∂F/∂values) / (∂F/∂q).

    Args:
        values: (n,), at least 2.
        level: between 0 and 1.
    """
    spread = (values.var() + SMALLEST_VARIANCE).sqrt()
    bandwidth = 1.06 * spread * len(values) ** -0.2
    with torch.no_grad():
        shift = bandwidth * NormalDist().inv_cdf(level)
        low, high = values.aminmax()
        low, high = low + shift, high + shift
        shares = torch.linspace(0, 1, PARTS + 1, dtype=values.dtype, device=values.device)
        for _ in range(ROUNDS):
            edges = torch.lerp(low, high, shares)
            below = torch.special.ndtr((edges[:, None] - values) / bandwidth).mean(1) < level
            part = below[1:-1].sum()  # the inner edges below the quantile: the part that it is in
            low, high = edges.gather(0, torch.stack([part, part + 1])).unbind()
        quantile = (low + high) / 2
    normed = (quantile - values) / bandwidth
    with torch.no_grad():
        density = (torch.exp(-normed.square() / 2) / bandwidth).mean() / (2 * torch.pi) ** 0.5
    return quantile - (torch.special.ndtr(normed).mean() - level) / density
