"""Neighbouring readings of BRL, which were compared with the one that is `brl`: see brl.md."""

from __future__ import annotations

import torch
from ltbench_domains.distances import moment_distance, weighted_moments
from ltbench_mdlt.brl import BRL, BRLHParams, covariates, mean_gap
from torch import Tensor
from torch.nn import functional as F

from ltbench import hookimpl
from ltbench.api import Batch, hparam
from ltbench.plugins.hookspecs import Register

WEIGHTS = ("omega", "uniform", "sqrt")


class ReadingHParams(BRLHParams):
    """What may be read otherwise; the defaults of the rest are those of `brl`."""

    rb_weights: str = hparam("omega", choices=WEIGHTS, help="of the images in RB")
    rb_scale: str = hparam(
        "means", choices=("means", "mean", "sum"), help="RB's distance; sum is F times the mean"
    )
    penalty_weights: str = hparam("uniform", choices=WEIGHTS, help="of the images in the penalty")
    penalty_on: str = hparam(
        "errors",
        choices=("errors", "plain", "risks", "one-sided"),
        help="shifted errors, errors of the plain logits, cross-entropies, errors above the mean",
    )


class Reading(BRL):
    """BRL with the counts in the logits and all else to choose."""

    HParams = ReadingHParams
    hparams: ReadingHParams

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the total and its four terms."""
        h, features, weights = self.hparams, self.features(batch.x), self.weights(batch)
        plain = self.classifier(features)
        nll = F.cross_entropy(plain + self.log_prior(batch.d), batch.y, reduction="none")
        judged = (
            F.cross_entropy(plain, batch.y, reduction="none") if h.penalty_on == "plain" else nll
        )
        risks = judged if h.penalty_on == "risks" else -torch.expm1(-judged)
        shares = spread(weights.detach(), h.penalty_weights)
        of_domains = (shares * batch.per_domain(risks)).sum(1)
        ahead = of_domains - of_domains.mean().detach()
        parts = {
            "bce": nll.mean(),
            "cb": mean_gap(batch.per_domain(covariates(batch.x)), weights),
            "rb": self.distance(batch.per_domain(features), spread(weights.detach(), h.rb_weights)),
            "penalty": ahead.clamp(min=0).square().mean()
            if h.penalty_on == "one-sided"
            else of_domains.var(unbiased=False),
        }
        total = parts["bce"] + h.alpha * parts["cb"] + h.beta * parts["rb"]
        return {"total": total + h.gamma * parts["penalty"], **parts}

    def distance(self, features: Tensor, weights: Tensor) -> Tensor:
        """Return RB of features (domains, images per domain, F)."""
        if self.hparams.rb_scale == "means":
            return mean_gap(features, weights)
        gap = moment_distance(*weighted_moments(features, weights))
        return gap * features.shape[2] if self.hparams.rb_scale == "sum" else gap


def spread(weights: Tensor, name: str) -> Tensor:
    """Return the images' weights ω (domains, images), their roots or equal ones, summing to 1."""
    power = {"omega": 1.0, "uniform": 0.0, "sqrt": 0.5}[name]
    return weights**power / (weights**power).sum(1, keepdim=True)


@hookimpl
def ltbench_algorithms(register: Register) -> None:
    """Register the readings."""
    register("brl-reading", f"{__name__}:Reading", summary="BRL with a term read otherwise")
