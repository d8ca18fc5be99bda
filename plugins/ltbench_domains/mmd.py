"""Maximum mean discrepancy."""

from __future__ import annotations

import torch
from torch import Tensor

from ltbench.api import Backbone, Batch, TrainInfo, hparam
from ltbench_domains.composition import WithLoss, WithLossHParams
from ltbench_domains.distances import gaussian_mmd

DECADES = range(-3, 4)
GAMMAS = tuple(10.0**decade for decade in DECADES)


class MMDHParams(WithLossHParams):
    """Hyper-parameters of MMD."""

    weight: float = hparam(1.0, low=0.0, search=(1e-1, 1e1), log=True, help="γ of the distance")


class MMD(WithLoss):
    """MMD alignment (Li et al., "… with adversarial feature learning", CVPR 2018).

    Total: mean risk + γ·mean over pairs of domains of the squared maximum mean discrepancy of the
    features (their eq. 4), with the kernel Σ exp(−b·‖f − f'‖²) over b = 1e-3, 1e-2, …, 1e3. As in
    the MDLT benchmark the discrepancy alone is kept of the paper's autoencoder.
    """

    HParams = MMDHParams
    hparams: MMDHParams
    honours = frozenset({"label_smoothing", "mixed_labels"})
    min_domains = 2
    decades: Tensor

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: MMDHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        decades = torch.tensor(DECADES, dtype=torch.get_default_dtype())
        self.register_buffer("decades", decades, persistent=False)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean risk, the distance and their weighted sum."""
        features = self.features(batch.x)
        risk = self.mixed_risks(self.classifier(features), batch).mean()
        distance = gaussian_mmd(batch.per_domain(features), 10.0**self.decades)
        total = risk + self.hparams.weight * distance
        return {"total": total, "risk": risk, "distance": distance}
