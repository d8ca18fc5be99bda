"""Gradient matching."""

from __future__ import annotations

import torch
from torch import Tensor

from ltbench.api import Batch, hparam
from ltbench_domains.composition import WithLoss, WithLossHParams
from ltbench_domains.episodes import copied, shuffled_domains


class FishHParams(WithLossHParams):
    """Hyper-parameters of Fish."""

    meta_lr: float = hparam(
        0.5, low=0.0, high=1.0, search=(0.05, 0.5), log=True, help="ε of the meta-update"
    )


class Fish(WithLoss):
    """Fish (Shi et al., "Gradient matching for domain generalization", ICLR 2022, algorithm 1).

    arXiv:2104.09937. From the weights θ one step of the protocol's optimiser is taken on each
    domain, in random order, which leads to θ̃; then θ ← θ + ε·(θ̃ − θ). To first order this follows
    the risks and the inner products of the domains' gradients. The optimiser keeps its state from
    one round to the next, as in the authors' code.
    """

    HParams = FishHParams
    hparams: FishHParams
    honours = frozenset({"label_smoothing", "mixed_labels", "fp16"})
    min_domains = 2

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Walk through the domains, then move a part of the way there."""
        parameters = [p for p in self.parameters() if p.requires_grad]
        start = copied(parameters)
        risks = []
        for domain in shuffled_domains(batch, self.generator):
            risk = self.mixed_risks(self.predict(domain.x), domain).mean()
            self.minimize(risk)
            risks.append(risk.detach())
        with torch.no_grad():
            torch._foreach_lerp_(start, tuple(parameters), self.hparams.meta_lr)
            torch._foreach_copy_(tuple(parameters), start)
        return {"total": torch.stack(risks).mean()}
