"""Mixup of images, within each domain."""

from __future__ import annotations

from ltbench.api import Algorithm, Batch, HParams, Losses, hparam
from ltbench_longtail.mixing import mixed_pair


class InputMixupHParams(HParams):
    """Hyper-parameters of mixup."""

    alpha: float = hparam(
        0.2, low=0.0, search=(0.1, 1.0), log=True, help="of the beta distribution; 0 is erm"
    )


class InputMixup(Algorithm):
    """Mixup (Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018).

    On images λ·x + (1 − λ)·x' with λ ~ Beta(α, α), one λ a batch, the loss is
    λ·CE(y) + (1 − λ)·CE(y') (arXiv:1710.09412). Partners are images of the same domain, so it works
    with one domain and each domain keeps a risk of its own. It is the first stage of MiSLAS (Zhong
    et al., CVPR 2021, arXiv:2104.00466), whose second stage is the stage ``mislas``.
    """

    HParams = InputMixupHParams
    hparams: InputMixupHParams
    honours = frozenset({"label_smoothing", "mixed_labels"})
    min_per_domain = 2

    def loss(self, batch: Batch) -> Losses:
        """Return the mean over domains of the mixed risks."""
        mixed, partners, share = mixed_pair(batch, self.hparams.alpha, self.generator)
        logits = self.predict(mixed.x)
        own, other = self.mixed_risks(logits, mixed), self.mixed_risks(logits, partners)
        return (share * own + (1 - share) * other).mean()
