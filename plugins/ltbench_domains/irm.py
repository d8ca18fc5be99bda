"""Invariant risk minimisation."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ltbench.api import Backbone, Batch, TrainInfo, hparam
from ltbench_domains.annealing import Annealed
from ltbench_domains.composition import WithLossHParams


class IRMHParams(WithLossHParams):
    """Hyper-parameters of IRM."""

    weight: float = hparam(100.0, low=0.0, search=(1e-1, 1e5), log=True, help="λ of the penalty")
    anneal: int = hparam(
        500,
        low=0,
        search=(1, 5000),
        log=True,
        begins=True,
        help="first steps, with a weight of at most 1",
    )


class IRM(Annealed):
    """Invariant risk minimisation (Arjovsky et al., 2019, eq. IRMv1, arXiv:1907.02893).

    Total: mean over domains of R_d + λ·‖∂R_d(s·z)/∂s at s = 1‖², a penalty that vanishes where the
    classifier is optimal in every domain at once. As in the authors' code the square is the product
    of the gradients on two halves of the domain's batch, which makes it unbiased. λ is at most 1
    before ``anneal``, and the optimiser starts anew there.
    """

    HParams = IRMHParams
    hparams: IRMHParams
    honours = frozenset({"label_smoothing", "mixed_labels"})
    min_domains = 2

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: IRMHParams) -> None:
        super().__init__(backbone, train_info, hparams, after=hparams.anneal)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean risk, the mean penalty and their sum."""
        logits = self.predict(batch.x)
        risk = self.mixed_risks(logits, batch).mean()
        penalty = self.penalty(logits, batch).mean()
        weight = self.hparams.weight if self.annealed else min(1.0, self.hparams.weight)
        return {"total": risk + weight * penalty, "risk": risk, "penalty": penalty}

    def penalty(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the penalty of each domain in the batch, (domains,).

        A domain's only image stands in both halves.
        """
        images = len(batch) // batch.num_domains
        first = self._gradients(logits, batch, slice(0, None, 2))
        second = self._gradients(logits, batch, slice(1 if images > 1 else 0, None, 2))
        return first * second

    def _gradients(self, logits: Tensor, batch: Batch, part: slice) -> Tensor:
        """Return ∂R_d(s·z)/∂s on a part of each domain's images, (domains,)."""
        z, y, d = (batch.per_domain(t)[:, part] for t in (logits, batch.y, batch.d))
        scale = z.new_ones(len(z), 1, 1).requires_grad_()
        # A risk is a function of logits, classes and domains; the images are spared the copy.
        half = Batch(batch.x[:0], y.flatten(), d.flatten(), num_domains=len(z))
        if batch.mixed is not None:
            others = batch.per_domain(batch.mixed.y)[:, part].flatten()
            half = replace(half, mixed=replace(batch.mixed, y=others))
        risks = self.mixed_risks((z * scale).flatten(0, 1), half)
        (gradient,) = torch.autograd.grad(risks.sum(), scale, create_graph=True)
        return gradient.flatten()
