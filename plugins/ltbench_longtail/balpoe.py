"""Balanced product of calibrated experts."""

from __future__ import annotations

import torch

from ltbench.api import Backbone, Batch, HParams, Losses, TrainInfo, hparam
from ltbench_longtail.experts import Experts
from ltbench_longtail.logit_adjust import log_prior_shift
from ltbench_longtail.mixing import mixed_pair


class BalPoEHParams(HParams):
    """Hyper-parameters of the balanced product of experts."""

    experts: int = hparam(3, low=1, search=(2, 4), help="number of experts")
    spread: float = hparam(
        1.0, low=0.0, high=1.0, help="biases are equally spaced in 1 − spread … 1 + spread"
    )
    alpha: float = hparam(
        0.4, low=0.0, search=(0.1, 1.0), log=True, help="of the mixup that calibrates; 0 is none"
    )
    shared: bool = hparam(False, help="one backbone for all experts: cheaper, less diverse")
    scale: float = hparam(
        30.0, low=0.0, before=0.0, help="of the cosine classifiers; 0 is linear ones"
    )


class BalPoE(Experts):
    """BalPoE (Aimar et al., "Balanced product of calibrated experts", CVPR 2023).

    Expert e is trained by the cross-entropy on z_e + τ_e·log π[d, c], on mixup images for
    calibration; the loss is the mean over experts and the prediction the mean of their logits, a
    product of experts (arXiv:2206.05260). Biases τ_e are equally spaced around 1 (0, 1, 2 for three
    experts), so one expert keeps the bias of the data, one is balanced, one prefers rare classes,
    and the product is balanced. The classifiers are cosines times 30, as in the authors' code; with
    ``scale=0``, one expert and α = 0 it is ``bsoftmax``. Classes absent from a
    domain are left out of the sum by experts with τ_e > 0.

    In the paper experts share the first blocks of one network. A backbone is a closed box here, so
    each expert is a whole backbone, all starting from the same weights, and the features are those
    of the experts side by side. It costs as many times the parameters and multiply-adds of ``erm``
    as there are experts: compare it with methods of that size. ``shared`` gives all experts one
    backbone, and a classifier each; it costs what ``erm`` costs.
    """

    HParams = BalPoEHParams
    hparams: BalPoEHParams
    honours = frozenset({"label_smoothing", "mixed_labels"})
    min_per_domain = 2

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: BalPoEHParams) -> None:
        low, high = 1 - hparams.spread, 1 + hparams.spread
        number = hparams.experts
        biases = torch.linspace(low, high, number).tolist() if number > 1 else [1.0]
        super().__init__(
            backbone,
            train_info,
            hparams,
            shifts=torch.stack([log_prior_shift(train_info.counts, tau) for tau in biases]),
            shared=hparams.shared,
            scale=hparams.scale,
        )

    def loss(self, batch: Batch) -> Losses:
        """Return the mean over experts and domains of the mixed, adjusted risks."""
        mixed, partners, share = mixed_pair(batch, self.hparams.alpha, self.generator)
        logits = self.expert_logits(mixed.x)
        own, other = self.expert_risks(logits, mixed), self.expert_risks(logits, partners)
        return (share * own + (1 - share) * other).mean()
