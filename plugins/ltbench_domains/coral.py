"""Correlation alignment."""

from __future__ import annotations

from torch import Tensor

from ltbench.api import Batch, hparam
from ltbench_domains.composition import WithLoss, WithLossHParams
from ltbench_domains.distances import moment_distance, sample_moments


class CORALHParams(WithLossHParams):
    """Hyper-parameters of CORAL."""

    weight: float = hparam(1.0, low=0.0, search=(1e-1, 1e1), log=True, help="γ of the distance")


class CORAL(WithLoss):
    """Deep CORAL (Sun and Saenko, ECCV 2016 workshops, eq. 1, arXiv:1607.01719).

    Total: mean risk + γ·mean over pairs of domains of the mean squared differences of the features'
    means and of their covariances. The means were added, and the squares averaged instead of
    summed, by DomainBed, whose form the MDLT benchmark uses.
    """

    HParams = CORALHParams
    hparams: CORALHParams
    honours = frozenset({"label_smoothing", "mixed_labels"})
    min_domains = 2
    min_per_domain = 2

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean risk, the distance and their weighted sum."""
        features = self.features(batch.x)
        risk = self.mixed_risks(self.classifier(features), batch).mean()
        distance = moment_distance(*sample_moments(batch.per_domain(features)))
        total = risk + self.hparams.weight * distance
        return {"total": total, "risk": risk, "distance": distance}
