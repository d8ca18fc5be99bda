"""Group distributionally robust optimisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from ltbench.api import Backbone, Batch, TrainInfo, UsageError, hparam
from ltbench_domains.composition import PLAIN, WithLoss, WithLossHParams


class GroupDROHParams(WithLossHParams):
    """Hyper-parameters of group DRO."""

    eta: float = hparam(1e-2, low=0.0, search=(1e-3, 1e-1), log=True, help="step of the weights")
    groups: str = hparam(
        "domain", choices=("domain", "pair"), help="domains, or domain-class pairs"
    )

    @classmethod
    def from_options(cls, options: Mapping[str, Any], owner: str) -> Self:
        """Build from typed options.

        Raises:
            UsageError: an option is out of place, or the groups and the loss do not go together.
        """
        hparams = super().from_options(options, owner)
        if hparams.groups == "pair" and hparams.loss != PLAIN:
            raise UsageError(
                f"{owner}[groups=pair,loss={hparams.loss}] makes no sense: '{hparams.loss}' gives "
                "one risk per domain and the groups need one per domain-class pair; use "
                "groups=domain or leave the loss out"
            )
        return hparams


class GroupDRO(WithLoss):
    """Group DRO (Sagawa et al., ICLR 2020, algorithm 1, arXiv:1911.08731).

    Total: Σ_g q_g·R_g over the groups of the batch. Before each step q_g ← q_g·exp(η·R_g),
    normalised, so that the worst group counts most. A group that is absent from the batch keeps its
    weight, and the weights of those present are normalised for the sum; one that is absent from the
    training set has none.
    """

    HParams = GroupDROHParams
    hparams: GroupDROHParams
    honours = frozenset({"label_smoothing", "mixed_labels"})
    log_q: Tensor

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: GroupDROHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        counts = train_info.counts
        sizes = counts.flatten() if self.hparams.groups == "pair" else counts.sum(1)
        uniform = torch.zeros(len(sizes)).masked_fill(sizes == 0, -torch.inf)
        self.register_buffer("log_q", uniform.log_softmax(0))

    def loss(self, batch: Batch) -> Tensor:
        """Return Σ q·R after the weights q took their step up the risks."""
        logits = self.predict(batch.x)
        if self.hparams.groups == "pair":
            group, terms, shares = self.by_pair(logits, batch)
        else:
            group, terms = batch.per_domain(batch.d)[:, 0], self.mixed_risks(logits, batch)
            shares = torch.ones_like(terms)
        nothing = terms.new_zeros(len(self.log_q))
        sizes = nothing.index_add(0, group, shares)
        risks = nothing.index_add(0, group, shares * terms) / sizes.where(sizes > 0, 1.0)
        with torch.no_grad():
            self.log_q.copy_((self.log_q + self.hparams.eta * risks).log_softmax(0))
        q = self.log_q.masked_fill(sizes == 0, -torch.inf).softmax(0)
        return q @ risks

    def by_pair(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the pair of each image, its loss, and its share in the pair, (N,) each.

        A mixed image stands there twice, in the pair of either class.
        """
        classes = self.train_info.num_classes
        group, terms = batch.d * classes + batch.y, self.cross_entropy(logits, batch.y)
        shares = torch.ones_like(terms)
        if batch.mixed is None:
            return group, terms, shares
        other, share = batch.mixed.y, batch.mixed.share
        return (
            torch.cat([group, batch.d * classes + other]),
            torch.cat([terms, self.cross_entropy(logits, other)]),
            torch.cat([shares * share, shares * (1 - share)]),
        )
