"""Meta-learning for domain generalization."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ltbench.api import Batch, MakeOptimizer, hparam
from ltbench_domains.composition import WithLoss, WithLossHParams
from ltbench_domains.episodes import shuffled_domains


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

    def configure_optimizers(self, make: MakeOptimizer) -> dict[str, Optimizer]:
        """Return the protocol's optimiser, and keep the recipe for the inner steps."""
        self.make = make
        return super().configure_optimizers(make)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Take one step down the gathered gradients."""
        parameters = [p for p in self.parameters() if p.requires_grad]
        start = [p.detach().clone() for p in parameters]
        gathered = [torch.zeros_like(p) for p in parameters]
        domains = shuffled_domains(batch, self.generator)
        share = 1 / len(domains)
        train_risk = test_risk = batch.x.new_zeros(())
        for train, test in zip(domains, domains[1:] + domains[:1], strict=True):
            risk, gradients = self._risk_and_gradients(train, parameters)
            train_risk = train_risk + share * risk
            _add(gathered, gradients, share)
            self._inner_step(parameters, gradients)
            risk, gradients = self._risk_and_gradients(test, parameters)
            test_risk = test_risk + share * risk
            _add(gathered, gradients, share * self.hparams.beta)
            with torch.no_grad():
                for parameter, value in zip(parameters, start, strict=True):
                    parameter.copy_(value)
        for parameter, gradient in zip(parameters, gathered, strict=True):
            parameter.grad = gradient
        self.optimizers["main"].step()
        total = train_risk + self.hparams.beta * test_risk
        return {"total": total, "meta_train": train_risk, "meta_test": test_risk}

    def _risk_and_gradients(
        self, domain: Batch, parameters: Sequence[nn.Parameter]
    ) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        risk = self.mixed_risks(self.predict(domain.x), domain).mean()
        return risk.detach(), torch.autograd.grad(risk, parameters, allow_unused=True)

    def _inner_step(
        self, parameters: Sequence[nn.Parameter], gradients: Sequence[Tensor | None]
    ) -> None:
        inner = self.make(parameters)
        outer = self.optimizers["main"]
        for group, like in zip(inner.param_groups, outer.param_groups, strict=True):
            group["lr"] = like["lr"]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        inner.step()


def _add(sums: Sequence[Tensor], terms: Sequence[Tensor | None], factor: float) -> None:
    for total, term in zip(sums, terms, strict=True):
        if term is not None:
            total.add_(term, alpha=factor)
