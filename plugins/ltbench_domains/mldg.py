"""Meta-learning for domain generalization."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ltbench.api import Batch, MakeOptimizer, hparam
from ltbench_domains.composition import WithLoss, WithLossHParams
from ltbench_domains.episodes import copied, shuffled_domains

START_FROM_ZEROS = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)
"""Optimisers to which a state of zeros is the same as none."""


class MLDGHParams(WithLossHParams):
    """Hyper-parameters of MLDG."""

    beta: float = hparam(1.0, low=0.0, search=(1e-1, 1e1), log=True, help="of the meta-test risk")


class MLDG(WithLoss):
    """MLDG (Li et al., "Learning to generalize", AAAI 2018, algorithm 1, arXiv:1710.03463).

    The domains stand in a random circle; each is the meta-train domain i of one pair, and the next
    one its meta-test domain j. The step goes down the mean over pairs of ∇R_i(θ) + β·∇R_j(θ'),
    where θ' is θ after one step down ∇R_i by a fresh optimiser of the protocol. First order, as in
    the MDLT benchmark: the derivative of θ' by θ is left out.
    """

    HParams = MLDGHParams
    hparams: MLDGHParams
    honours = frozenset({"label_smoothing", "mixed_labels"})
    min_domains = 2
    inner: Optimizer | None = None

    def configure_optimizers(self, make: MakeOptimizer) -> dict[str, Optimizer]:
        """Return the protocol's optimiser, and keep the recipe for the inner steps."""
        self.make, self.inner = make, None
        return super().configure_optimizers(make)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Take one step down the gathered gradients."""
        parameters = [p for p in self.parameters() if p.requires_grad]
        start = copied(parameters)
        domains = shuffled_domains(batch, self.generator)
        gathered = _Gathered(1 / len(domains))
        risks = []
        for train, test in zip(domains, domains[1:] + domains[:1], strict=True):
            risk, gradients = self._risk_and_gradients(train, parameters)
            gathered.add(parameters, gradients, 1.0)
            self._inner_step(parameters, gradients)
            test_risk, gradients = self._risk_and_gradients(test, parameters)
            gathered.add(parameters, gradients, self.hparams.beta)
            risks.append(torch.stack([risk, test_risk]))
            with torch.no_grad():
                torch._foreach_copy_(tuple(parameters), start)
        for parameter, gradient in zip(parameters, gathered.sums, strict=True):
            parameter.grad = gradient
        self.optimizers["main"].step()
        meta_train, meta_test = torch.stack(risks).mean(0).unbind()
        total = meta_train + self.hparams.beta * meta_test
        return {"total": total, "meta_train": meta_train, "meta_test": meta_test}

    def _risk_and_gradients(
        self, domain: Batch, parameters: Sequence[nn.Parameter]
    ) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        risk = self.mixed_risks(self.predict(domain.x), domain).mean()
        return risk.detach(), torch.autograd.grad(risk, parameters, allow_unused=True)

    def _inner_step(
        self, parameters: Sequence[nn.Parameter], gradients: Sequence[Tensor | None]
    ) -> None:
        inner = self._fresh_optimizer(parameters)
        outer = self.optimizers["main"]
        for group, like in zip(inner.param_groups, outer.param_groups, strict=True):
            group["lr"] = like["lr"]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        inner.step()

    def _fresh_optimizer(self, parameters: Sequence[nn.Parameter]) -> Optimizer:
        """Return an optimiser that has taken no step; one that starts from zeros is set to them."""
        if self.inner is None or type(self.inner) not in START_FROM_ZEROS:
            self.inner = self.make(parameters)
        found = (value for state in self.inner.state.values() for value in state.values())
        if states := [value for value in found if isinstance(value, Tensor)]:
            torch._foreach_zero_(states)
        return self.inner


class _Gathered:
    """The weighted sum of gradients, all parameters at once.

    Args:
        share: factor on all terms.
    """

    def __init__(self, share: float) -> None:
        self.share = share
        self.sums: list[Tensor] = []

    def add(
        self,
        parameters: Sequence[nn.Parameter],
        gradients: Sequence[Tensor | None],
        factor: float,
    ) -> None:
        """Add gradients times a factor; a parameter that has none counts as one with zeros."""
        pairs = zip(parameters, gradients, strict=True)
        terms = [torch.zeros_like(p) if gradient is None else gradient for p, gradient in pairs]
        if self.sums:
            torch._foreach_add_(self.sums, terms, alpha=self.share * factor)
        else:
            self.sums = list(torch._foreach_mul(terms, self.share * factor))
