"""Risk extrapolation."""

from __future__ import annotations

from torch import Tensor

from ltbench.api import Backbone, Batch, TrainInfo, hparam
from ltbench_domains.annealing import Annealed
from ltbench_domains.composition import WithLossHParams


class VRExHParams(WithLossHParams):
    """Hyper-parameters of V-REx."""

    weight: float = hparam(10.0, low=0.0, search=(1e-1, 1e5), log=True, help="λ of the variance")
    anneal: int = hparam(
        500,
        low=0,
        search=(1, 5000),
        log=True,
        begins=True,
        help="first steps, with a weight of at most 1",
    )


class VREx(Annealed):
    """V-REx (Krueger et al., "Risk extrapolation", ICML 2021, eq. 8, arXiv:2003.00688).

    Total: mean of the domains' risks + λ·their variance (the mean squared deviation). λ is at most
    1 before ``anneal``, and the optimiser starts anew there.
    """

    HParams = VRExHParams
    hparams: VRExHParams
    honours = frozenset({"label_smoothing", "mixed_labels"})
    min_domains = 2

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: VRExHParams) -> None:
        super().__init__(backbone, train_info, hparams, after=hparams.anneal)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean risk, the variance of the risks and their sum."""
        risks = self.mixed_risks(self.predict(batch.x), batch)
        penalty = risks.var(unbiased=False)
        weight = self.hparams.weight if self.annealed else min(1.0, self.hparams.weight)
        return {"total": risks.mean() + weight * penalty, "risk": risks.mean(), "penalty": penalty}
