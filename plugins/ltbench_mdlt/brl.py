"""Reweighting balanced representation learning, a reconstruction."""

from __future__ import annotations

import torch
from ltbench_domains.distances import moment_distance, squared_gaps, weighted_moments
from torch import Tensor, nn
from torch.nn import functional as F

from ltbench.api import Algorithm, Backbone, Batch, HParams, TrainInfo, hparam

GRID = 4


class BRLHParams(HParams):
    """Hyper-parameters of BRL; the switches are the rows of the paper's ablation."""

    alpha: float = hparam(1e-3, low=0.0, search=(1e-7, 1e4), log=True, help="of CB")
    beta: float = hparam(1e-2, low=0.0, search=(1e-7, 1e4), log=True, help="of RB")
    gamma: float = hparam(10.0, low=0.0, search=(1e-7, 1e4), log=True, help="of the penalty")
    bce: bool = hparam(True, help="balanced cross-entropy; off: plain cross-entropy")
    cb: bool = hparam(True, help="covariate balancing, in the space of the images")
    rb: bool = hparam(True, help="representation balancing, in the space of the features")
    penalty: bool = hparam(True, help="cross-domain penalty")
    balance: str = hparam(
        "logits",
        choices=("logits", "weights"),
        before="weights",
        help="how BCE balances: log n[d, c] on the logits, or images weighted by ω",
    )
    distance: str = hparam(
        "means",
        choices=("means", "moments"),
        before="moments",
        help="of RB: of means, or of means and covariances",
    )
    refine: float = hparam(1.0, low=1e-3, help="most that CB may change a log-weight")


class BRL(Algorithm):
    """BRL (Fu, Ruhaiyem, Wang, Scientific Reports 15:23948, 2025), a reconstruction.

    The paper's method section was not available; ``docs/brl.md`` lists every assumption beside the
    sentence that constrains it. Total: BCE + α·CB + β·RB + γ·penalty:

    * BCE: mean over domains of the mean cross-entropy on z_c + log n[d, c], as of balanced softmax;
    * CB: mean over pairs of domains of ‖Σ ω_i φ(x_i) − Σ ω_j φ(x_j)‖² with fixed covariates φ of
      the image; its gradient moves u alone;
    * RB: the same of the features, ‖Σ ω_i f_i − Σ ω_j f_j‖²; its gradient moves the backbone alone;
    * penalty: variance over domains of the mean errors 1 − p_i, p_i being the probability of the
      true class by the shifted logits.

    Image i of the pair (d, c) has the weight ω_i ∝ exp(u[d, c]) / n[d, c], normalised within its
    domain of the batch. With ``balance="weights"`` BCE and the penalty are sums weighted by ω
    instead, on the logits as they are; with ``distance="moments"`` RB is the mean squared
    difference of means and of covariances, as CORAL's. Both together were the first reading.
    """

    HParams = BRLHParams
    hparams: BRLHParams
    honours = frozenset({"label_smoothing"})
    min_domains = 2
    min_per_domain = 2

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: BRLHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        self.log_weights = nn.Parameter(torch.zeros(train_info.counts.shape))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the total and its four terms; a term that is switched off is 0."""
        features = self.features(batch.x)
        weights = self.weights(batch)
        fixed = weights.detach()
        logits = self.classifier(features)
        by_weight = self.hparams.bce and self.hparams.balance == "weights"
        if self.hparams.bce and not by_weight:
            logits = logits + self.log_prior(batch.d)
        shares = fixed if by_weight else torch.full_like(fixed, 1 / fixed.shape[1])
        nll = F.cross_entropy(logits, batch.y, reduction="none")
        ce = self.cross_entropy(logits, batch.y) if self.train_info.label_smoothing else nll
        errors = (shares * batch.per_domain(-torch.expm1(-nll))).sum(1)
        off = features.new_zeros(())
        parts = {
            "bce": (shares * batch.per_domain(ce)).sum(1).mean(),
            "cb": mean_gap(batch.per_domain(covariates(batch.x)), weights)
            if self.hparams.cb
            else off,
            "rb": self.feature_gap(batch.per_domain(features), fixed) if self.hparams.rb else off,
            "penalty": errors.var(unbiased=False) if self.hparams.penalty else off,
        }
        factors = {
            "bce": 1.0,
            "cb": self.hparams.alpha,
            "rb": self.hparams.beta,
            "penalty": self.hparams.gamma,
        }
        total = torch.stack([factors[name] * part for name, part in parts.items()]).sum()
        return {"total": total, **parts}

    def feature_gap(self, features: Tensor, weights: Tensor) -> Tensor:
        """Return RB for features (domains, images per domain, F) and the images' weights."""
        if self.hparams.distance == "means":
            return mean_gap(features, weights)
        return moment_distance(*weighted_moments(features, weights))

    def weights(self, batch: Batch) -> Tensor:
        """Return the images' weights ω (domains, images per domain), summing to 1 in a domain."""
        refined = self.hparams.refine * torch.tanh(self.log_weights / self.hparams.refine)
        logits = (refined - self.counts.log())[batch.d, batch.y]
        return batch.per_domain(logits).softmax(1)


def covariates(x: Tensor) -> Tensor:
    """Return φ (N, P) of normalised images: channel means and variances, and a coarse grid."""
    grid = F.adaptive_avg_pool2d(x, GRID).flatten(1)
    return torch.cat([x.mean((2, 3)), x.var((2, 3), unbiased=False), grid], dim=1)


def mean_gap(values: Tensor, weights: Tensor) -> Tensor:
    """Return the mean over pairs of domains of the squared distance of their weighted means.

    Args:
        values: (D, m, P), of each domain's images.
        weights: (D, m), summing to 1 in each domain.
    """
    means = torch.einsum("dm,dmp->dp", weights, values)
    return squared_gaps(means).sum()
